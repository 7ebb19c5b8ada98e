"""What is stored about a person here: see `common.personal_data`."""

from collections.abc import Iterator
from typing import Any

from django.db.models import CharField, F, Func, Value
from django.db.models.functions import Concat

from common.personal_data import ERASED, Declaration, Keep, Obstacle, Replace, Source, TrailKeys
from livestreams.models import OPEN, Hold, LiveStream
from livestreams.thumbnails import removed_later

ID_ONLY = Keep("the id only")
TEXTS = ("title", "title_folded", "channel_name", "thumbnail", "interest", "motivation")
OF_CREATOR = dict.fromkeys(TEXTS, "erased with the creator")
BY_CREATOR = dict.fromkeys(TEXTS, "of the creator")
# Unique, and of the form of channel names.
_CHANNEL_NAME = Concat(Value("erased-"), Func(F("pk"), Value("hex"), function="encode", output_field=CharField()))


def declarations() -> Iterator[Declaration]:
    yield Source(
        "streams",
        LiveStream,
        "creator",
        Replace(
            {"title": ERASED, "channel_name": _CHANNEL_NAME, "thumbnail": "", "interest": None, "motivation": None},
            first=_remove_thumbnails,
        ),
        withheld={"title_folded": "made of the title", "deleted_by": "who did it, if it was not the person"},
        created_by="create_stream",
    )
    yield Source("streams_as_guest", LiveStream, "guest", ID_ONLY, withheld=BY_CREATOR, kept=OF_CREATOR, is_about=False)
    yield Source(
        "streams_deleted", LiveStream, "deleted_by", ID_ONLY, withheld=BY_CREATOR, kept=OF_CREATOR, is_about=False
    )
    yield Obstacle(_open_streams)
    yield Obstacle(_retained_streams)
    yield TrailKeys(
        "livestream",
        others={
            **dict.fromkeys(["reviewed", "skipped"], "a number"),
            "verdict": "a choice",
            "batch_id": "an id",
            "retained_at": "a time",
        },
    )


def _remove_thumbnails(streams: list[Any]) -> None:
    for stream in streams:
        if stream.thumbnail:
            removed_later(stream.thumbnail, stream_id=stream.pk)


def _open_streams(person_id: str) -> str:
    """Followers would be reminded of a stream of nobody."""
    ids = LiveStream.objects.filter(creator=person_id, status__in=OPEN).order_by("pk").values_list("pk", flat=True)
    return f"streams that are not over must be ended, cancelled or deleted first: {', '.join(ids)}" if ids else ""


def _retained_streams(person_id: str) -> str:
    """A hold is for an investigation, which needs the titles and the picture."""
    ids = Hold.objects.filter(stream__creator=person_id).order_by("pk").values_list("pk", flat=True)
    return f"retained streams must be released first (streams release): {', '.join(ids)}" if ids else ""
