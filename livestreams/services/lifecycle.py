"""Starting, ending, cancelling and expiring a stream.

Each `allow_*` is the check of a service that staff may call. The admin calls it too, and offers the action where it
raises nothing.
"""

from datetime import datetime

from django.db import IntegrityError, transaction

from accounts.models import User
from livestreams.models import Action, LiveStream, Status, role_of
from livestreams.services.changes import allow, allow_living, change_stream, locked_stream
from livestreams.services.refusals import AlreadyLive, NotTheCreatorOrGuest
from livestreams.services.stream_lock import try_stream_lock


def start_stream(stream_id: str, *, by: User | None, now: datetime) -> LiveStream:
    """Raises AlreadyLive when the creator has another active stream."""
    try:
        with transaction.atomic():
            stream = locked_stream(stream_id)
            status = allow(stream, Action.START)
            return change_stream(stream, "start_stream", by=by, now=now, status=status, started_at=now)
    except IntegrityError as error:
        if "stream_one_active_per_creator" in str(error):
            raise AlreadyLive from error
        raise


def allow_end(stream: LiveStream, *, by: User | None, now: datetime) -> Status:
    return allow_living(stream, Action.END)


@transaction.atomic
def end_stream(stream_id: str, *, by: User | None, now: datetime, reason: str = "") -> LiveStream:
    stream = locked_stream(stream_id)
    status = allow_end(stream, by=by, now=now)
    # `now` may have been read before the `now` of the start: see change_stream.
    ended_at = max(now, stream.started_at or now)
    return change_stream(stream, "end_stream", by=by, now=now, reason=reason, status=status, ended_at=ended_at)


def allow_cancel(stream: LiveStream, *, by: User | None, now: datetime) -> Status:
    by_guest = _role_of(by, stream) == LiveStream.Role.GUEST
    return allow_living(stream, Action.CANCEL_BY_GUEST if by_guest else Action.CANCEL_BY_HOST)


def _role_of(user: User | None, stream: LiveStream) -> str | None:
    return role_of(user.pk if user else None, stream.creator_id, stream.guest_id, stream.guest_status)


@transaction.atomic
def cancel_stream(
    stream_id: str, *, by: User | None, now: datetime, reason: str = "", as_member: bool = False
) -> LiveStream:
    """The status becomes `cancelled_by_guest` when `by` is the guest, else `cancelled_by_host`.

    With `as_member`, raises NotTheCreatorOrGuest for everybody else, also for a guest who has been replaced meanwhile.
    """
    stream = locked_stream(stream_id)
    if as_member and _role_of(by, stream) not in (LiveStream.Role.HOST, LiveStream.Role.GUEST):
        raise NotTheCreatorOrGuest
    status = allow_cancel(stream, by=by, now=now)
    return change_stream(stream, "cancel_stream", by=by, now=now, reason=reason, status=status)


@transaction.atomic
def expire_stream(stream_id: str, *, now: datetime) -> bool:
    """Expire this stream if it is still a no-show; whether it was expired.

    Never waits: while another transaction holds the advisory lock or the row of the stream, the result is False, and
    the caller tries again at its next run.
    """
    if not try_stream_lock(stream_id):
        return False
    stream = LiveStream.objects.no_shows(now).filter(pk=stream_id).for_update(skip_locked=True).first()
    if stream is None:
        return False
    status = allow(stream, Action.EXPIRE)
    change_stream(stream, "expire_stream", by=None, now=now, status=status)
    return True
