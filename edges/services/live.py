"""The numbers of viewers of all active streams, for lists that are sorted by them."""

from collections.abc import Collection
from datetime import datetime, timedelta

from django.conf import settings
from django.db import connection
from django.db.models import Exists, OuterRef

from common.queries import ID, TIME, CountUpTo, Param, Question
from edges.models import CountingPass, Participant, ViewerCount
from edges.services.counting import Counting
from livestreams.models import LiveStream, Status

CHUNK = 1_000  # streams
LOWEST_ID = "0" * 24
MOST_VIEWERS = 2_147_483_647


def seen_after(now: datetime) -> datetime:
    """A participant seen after this time is a viewer. Twice the lifetime of a token, so that one renewal may fail."""
    return now - 2 * settings.JOIN_TOKEN_LIFETIME


def follow_stream(stream: LiveStream, *, changed: Collection[str], now: datetime) -> None:
    """Keep a row for exactly the active streams; see `settings.STREAM_FOLLOWERS`."""
    if "status" not in changed:
        return
    if stream.status == Status.ACTIVE:
        _insert([ViewerCount(stream=stream, viewers=0, counted_at=now, is_live=True)])
    elif stream.status == Status.ENDED:
        ViewerCount.objects.filter(stream=stream).delete()


def _insert(rows: list[ViewerCount]) -> None:
    ViewerCount.objects.bulk_create(rows, update_conflicts=True, unique_fields=["stream"], update_fields=["is_live"])


_COUNTED = Question(
    lambda: (
        ViewerCount.objects.filter(is_live=True, stream__gt=Param("after", ID))
        .order_by("stream")
        .values_list(
            "stream_id",
            "viewers",
            CountUpTo(
                Participant.objects.audience(stream=OuterRef("stream"), seen_after=Param("seen_after", TIME)),
                MOST_VIEWERS,
            ),
        )
    )
)
# One statement for all rows of a chunk that changed. Most do not, and are not written.
_WRITE = """
    UPDATE edges_viewercount AS known SET viewers = counted.viewers, counted_at = %(now)s
    FROM unnest(%(streams)s::bytea[], %(viewers)s::int[]) AS counted (stream_id, viewers)
    WHERE known.stream_id = counted.stream_id
"""


def _count(after: str | None, current: CountingPass) -> str | None:
    now = current.begun_at
    # Once a minute, because it reads all active streams and finds something only during an upgrade.
    if after is None and (current.before_at is None or current.before_at.minute != now.minute):
        _correct_rows(now)
    rows = _COUNTED.rows(limit=CHUNK, after=after or LOWEST_ID, seen_after=seen_after(now))
    changed = [(bytes.fromhex(stream_id), viewers) for stream_id, known, viewers in rows if viewers != known]
    if changed:
        streams, viewers = map(list, zip(*changed, strict=True))
        with connection.cursor() as cursor:
            cursor.execute(_WRITE, {"now": now, "streams": streams, "viewers": viewers})
    return rows[-1][0] if len(rows) == CHUNK else None


def _correct_rows(now: datetime) -> None:
    """Insert the rows of streams that a server of an older version started, and delete those of streams it ended."""
    ViewerCount.objects.filter(is_live=True).exclude(stream__status=Status.ACTIVE).delete()
    known = Exists(ViewerCount.objects.filter(stream=OuterRef("pk"), is_live=True))
    # Locked, so that a stream that ends meanwhile gets no row.
    streams = LiveStream.objects.filter(~known, status=Status.ACTIVE).for_update(skip_locked=True)
    missing = streams.values_list("pk", flat=True)
    if rows := [ViewerCount(stream_id=pk, viewers=0, counted_at=now, is_live=True) for pk in missing[:CHUNK]]:
        _insert(rows)


LIVE = Counting("live viewers", _count, rest=10, longest=timedelta(seconds=5))
