"""Holds: a stream that no retention removes until it is released."""

from datetime import datetime

from django.db import transaction

from accounts.models import User
from common import audit
from livestreams.models import Hold
from livestreams.services.changes import locked_stream


@transaction.atomic
def retain_stream(stream_id: str, *, by: User | None, now: datetime, reason: str) -> bool:
    """Hold a stream, deleted or not. Returns False, and changes nothing, when it is held already.

    Raises StreamMissing.
    """
    stream = locked_stream(stream_id, deleted=True)
    _, is_new = Hold.objects.get_or_create(stream=stream, defaults={"since": now})
    if is_new:
        after = {"retained_at": now}
        audit.record("retain_stream", stream, by=by, now=now, before={"retained_at": None}, after=after, reason=reason)
    return is_new


@transaction.atomic
def release_stream(stream_id: str, *, by: User | None, now: datetime, reason: str) -> bool:
    """End the hold: from now on the stream is removed as others are, at once if its retention is over.

    Returns False, and changes nothing, when the stream is not held. Raises StreamMissing.
    """
    stream = locked_stream(stream_id, deleted=True)
    hold = Hold.objects.filter(stream=stream).first()
    if hold is None:
        return False
    hold.delete()
    before = {"retained_at": hold.since}
    audit.record("release_stream", stream, by=by, now=now, before=before, after={"retained_at": None}, reason=reason)
    return True
