"""Changing the picture of a stream."""

from datetime import datetime

from django.db import transaction

from accounts.models import User
from livestreams.models import LiveStream
from livestreams.services.changes import change_stream, locked_stream
from livestreams.thumbnails import removed_later


def set_thumbnail(stream_id: str, *, by: User | None, now: datetime, file: str, reason: str = "") -> LiveStream:
    """Give the stream, in whatever state, another picture: `file` is the name of a stored one.

    Raises StreamMissing.
    """
    return _change(stream_id, "set_thumbnail", by=by, now=now, file=file, reason=reason)


def remove_thumbnail(stream_id: str, *, by: User | None, now: datetime, reason: str = "") -> LiveStream:
    """Give the stream the default picture. One that has it is not changed. Raises StreamMissing."""
    return _change(stream_id, "remove_thumbnail", by=by, now=now, file="", reason=reason)


@transaction.atomic
def _change(stream_id: str, verb: str, *, by: User | None, now: datetime, file: str, reason: str) -> LiveStream:
    stream = locked_stream(stream_id)
    if stream.thumbnail:
        removed_later(stream.thumbnail, stream_id=stream.pk)
    return change_stream(stream, verb, by=by, now=now, reason=reason, thumbnail=file)
