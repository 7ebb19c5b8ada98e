"""What may happen to a stream. Nothing else writes its state: API, admin, commands and tasks all come here.

Each verb is one transaction: lock the row, look at it, change it, record the change. State is looked at only on a
locked row, so of any number of simultaneous calls exactly one wins and the others learn why they did not.
"""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import IntegrityError, transaction
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from common import audit
from common.fields import ObjectIdField
from common.queries import Param, Question
from common.refusals import Conflict, Missing
from livestreams.hooks import STREAM_FOLLOWER
from livestreams.models import (
    ANSWERABLE,
    Action,
    GuestStatus,
    LiveStream,
    Status,
    next_status,
    refusal_message,
    role_of,
)
from livestreams.names import new_channel_name
from livestreams.services.guests import GuestHasDeclined, NotTheCreatorOrGuest, NotTheGuest, check_guest
from livestreams.services.stream_lock import take_stream_lock, try_stream_lock
from livestreams.thumbnails import renamed_later

CHANNEL_NAME_TRIES = 5
SHOWN_IN_CALENDARS = frozenset({"status", "planned_start_at", "duration_goal", "title", "motivation", "deleted_at"})


class StreamMissing(Missing):
    code = "stream_not_found"
    message = _("there is no stream with this id")


class MoveRefused(Conflict):
    """The state of the stream does not allow the action; the message says which do."""

    def __init__(self, status: str) -> None:
        super().__init__(refusal_message(status))


class StreamNotEditable(MoveRefused):
    code = "stream_not_editable"
    message = _("only a scheduled or preparing stream can be changed")


class StreamNotStartable(MoveRefused):
    code = "stream_not_startable"
    message = _("only a scheduled or preparing stream can be started")


class StreamNotEndable(MoveRefused):
    code = "stream_not_endable"
    message = _("only an active stream can be ended")


class StreamNotCancellable(MoveRefused):
    code = "stream_not_cancellable"
    message = _("only a scheduled or preparing stream can be cancelled")


class StreamNotExpirable(MoveRefused):
    code = "stream_not_expirable"
    message = _("only a scheduled or preparing stream can expire")


class StreamNotDeletable(MoveRefused):
    code = "stream_not_deletable"
    message = _("an active stream cannot be deleted; end it first")


class GuestAnswerTooLate(MoveRefused):
    code = "guest_answer_too_late"
    message = _("a guest can only answer while the stream is scheduled, preparing or active")


class AlreadyLive(Conflict):
    code = "already_live"
    message = _("you have an active stream already; end it before you start another")


class StreamNotDeleted(Conflict):
    code = "stream_not_deleted"
    message = _("the stream is not deleted")


REFUSALS: dict[Action, type[MoveRefused]] = {
    Action.EDIT: StreamNotEditable,
    Action.SCHEDULE: StreamNotEditable,
    Action.UNSCHEDULE: StreamNotEditable,
    Action.START: StreamNotStartable,
    Action.END: StreamNotEndable,
    Action.CANCEL_BY_HOST: StreamNotCancellable,
    Action.CANCEL_BY_GUEST: StreamNotCancellable,
    Action.EXPIRE: StreamNotExpirable,
    Action.DELETE: StreamNotDeletable,
}

_LOCKED = Question(lambda: LiveStream.all_objects.filter(pk=Param("id", ObjectIdField())).for_update())


# --- the steps that every verb takes --------------------------------------------------------------


def _locked(stream_id: str, *, deleted: bool = False) -> LiveStream:
    """The stream, locked until the transaction ends; by default a deleted one counts as missing."""
    take_stream_lock(stream_id)
    stream: LiveStream | None = _LOCKED.instance(id=stream_id)
    if stream is None or (stream.is_deleted and not deleted):
        raise StreamMissing
    return stream


def _allow(stream: LiveStream, action: Action) -> Status:
    status = next_status(stream.status, action)
    if status is None:
        raise REFUSALS[action](stream.status)
    return status


# What verbs that staff may call check of a stream, under the lock; the admin offers an act where they raise nothing.


def allow_end(stream: LiveStream, *, by: User | None, now: datetime) -> Status:
    return _allow_living(stream, Action.END)


def _role_of(user: User | None, stream: LiveStream) -> str | None:
    return role_of(user.pk if user else None, stream.creator_id, stream.guest_id, stream.guest_status)


def allow_cancel(stream: LiveStream, *, by: User | None, now: datetime) -> Status:
    by_guest = _role_of(by, stream) == LiveStream.Role.GUEST
    return _allow_living(stream, Action.CANCEL_BY_GUEST if by_guest else Action.CANCEL_BY_HOST)


def allow_delete(stream: LiveStream, *, by: User | None, now: datetime) -> Status:
    return _allow_living(stream, Action.DELETE)


def allow_restore(stream: LiveStream, *, by: User | None, now: datetime) -> None:
    if not stream.is_deleted:
        raise StreamNotDeleted


def _allow_living(stream: LiveStream, action: Action) -> Status:
    if stream.is_deleted:
        raise StreamMissing
    return _allow(stream, action)


def _change(
    stream: LiveStream, verb: str, *, by: User | None, now: datetime, reason: str = "", **values: Any
) -> LiveStream:
    """Write `values` that differ and the one audit row that tells what was before and after."""
    before = {name: getattr(stream, name) for name, value in values.items() if getattr(stream, name) != value}
    if not before:
        return stream
    after = {name: values[name] for name in before}
    # The clock was read before the lock was won: a change never carries an earlier time than the one before it.
    after_time = max(now, stream.updated_at)
    for name, value in after.items():
        setattr(stream, name, value)
    stream.updated_at = after_time
    beside = ["updated_at"]
    if "planned_start_at" in after:
        stream.plan_set_at = after["planned_start_at"] and after_time
        beside.append("plan_set_at")
    if not SHOWN_IN_CALENDARS.isdisjoint(after):
        stream.revision += 1
        beside.append("revision")
    stream.save(update_fields=[*after, *beside], force_update=True)
    audit.record(verb, stream, by=by, now=after_time, before=before, after=after, reason=reason)
    STREAM_FOLLOWER.function()(stream, changed=after.keys(), now=after_time)
    return stream


# --- verbs ----------------------------------------------------------------------------------------


def create_stream(
    *,
    by: User,
    now: datetime,
    title: str,
    type: str = LiveStream.Type.SOLO,
    guest: str | None = None,
    price: Decimal | None = None,
    interest: str | None = None,
    duration_goal: int | None = None,
    motivation: str | None = None,
    planned_start_at: datetime | None = None,
    thumbnail: str = "",
) -> LiveStream:
    """A stream that is `scheduled` when it has a planned start and `preparing` when it has none.

    `guest` is a user's id: a duo has exactly one, who is invited, a solo none. `thumbnail` is a file in the storage.
    Raises Invalid when the guest does not fit the type or does not exist.
    """
    check_guest(type, guest, creator_id=by.pk)
    stream = LiveStream(
        title=title,
        type=type,
        creator=by,
        guest_id=guest,
        guest_status=guest and GuestStatus.INVITED,
        thumbnail=thumbnail,
        status=Status.PREPARING if planned_start_at is None else Status.SCHEDULED,
        price=price or None,
        interest=interest,
        duration_goal=duration_goal,
        motivation=motivation,
        planned_start_at=planned_start_at,
        plan_set_at=planned_start_at and now,
        created_at=now,
        updated_at=now,
    )
    with transaction.atomic():
        _insert_with_new_channel_name(stream)
        after = {
            "status": stream.status,
            "title": title,
            "type": type,
            "guest_id": guest,
            "guest_status": stream.guest_status,
            "planned_start_at": planned_start_at,
        }
        audit.record("create_stream", stream, by=by, now=now, before={}, after=after)
    return stream


def _insert_with_new_channel_name(stream: LiveStream) -> None:
    for tries_left in reversed(range(CHANNEL_NAME_TRIES)):
        stream.channel_name = new_channel_name(stream.title)
        try:
            with transaction.atomic():
                stream.save(force_insert=True)
        except IntegrityError as error:
            if "channel_name" not in str(error) or not tries_left:
                raise
        else:
            return


@transaction.atomic
def edit_stream(
    stream_id: str, *, by: User | None, now: datetime, changes: Mapping[str, Any], reason: str = ""
) -> LiveStream:
    """Change a scheduled or preparing stream.

    `changes` may name title, motivation, interest, duration_goal, guest, price and planned_start_at. A planned start
    makes the stream `scheduled`, None makes it `preparing`. Another guest is invited, and so is the same one who has
    declined. What is equal already leaves no trace.
    """
    stream = _locked(stream_id)
    values = dict(changes)
    _allow(stream, Action.EDIT)
    if "planned_start_at" in values:
        action = Action.UNSCHEDULE if values["planned_start_at"] is None else Action.SCHEDULE
        values["status"] = _allow(stream, action)
    if "guest" in values:
        values["guest_id"] = values.pop("guest")
        check_guest(stream.type, values["guest_id"], creator_id=stream.creator_id)
        if values["guest_id"] != stream.guest_id or stream.guest_status == GuestStatus.DECLINED:
            values["guest_status"] = GuestStatus.INVITED
    if "price" in values:
        values["price"] = values["price"] or None
    return _change(stream, "edit_stream", by=by, now=now, reason=reason, **values)


def start_stream(stream_id: str, *, by: User | None, now: datetime) -> LiveStream:
    """Raises AlreadyLive when the creator has another active stream."""
    try:
        with transaction.atomic():
            stream = _locked(stream_id)
            status = _allow(stream, Action.START)
            return _change(stream, "start_stream", by=by, now=now, status=status, started_at=now)
    except IntegrityError as error:
        if "stream_one_active_per_creator" in str(error):
            raise AlreadyLive from error
        raise


@transaction.atomic
def end_stream(stream_id: str, *, by: User | None, now: datetime, reason: str = "") -> LiveStream:
    stream = _locked(stream_id)
    status = allow_end(stream, by=by, now=now)
    # As in _change: this call's clock may have been read before the start's.
    ended_at = max(now, stream.started_at or now)
    return _change(stream, "end_stream", by=by, now=now, reason=reason, status=status, ended_at=ended_at)


@transaction.atomic
def cancel_stream(
    stream_id: str, *, by: User | None, now: datetime, reason: str = "", as_member: bool = False
) -> LiveStream:
    """Cancel on behalf of the guest when the guest asks, else of the host; the audit row names who it was.

    With `as_member` nobody else may: raises NotTheCreatorOrGuest, also for a guest who has been replaced meanwhile.
    """
    stream = _locked(stream_id)
    if as_member and _role_of(by, stream) not in (LiveStream.Role.HOST, LiveStream.Role.GUEST):
        raise NotTheCreatorOrGuest
    status = allow_cancel(stream, by=by, now=now)
    return _change(stream, "cancel_stream", by=by, now=now, reason=reason, status=status)


def _locked_for_answer(stream_id: str, guest: User) -> LiveStream:
    stream = _locked(stream_id)
    if guest.pk != stream.guest_id:
        raise NotTheGuest
    if stream.status not in ANSWERABLE:
        raise GuestAnswerTooLate(stream.status)
    return stream


@transaction.atomic
def accept_guest(stream_id: str, *, by: User, now: datetime) -> LiveStream:
    """The guest accepts; again it changes nothing. Raises NotTheGuest, GuestAnswerTooLate, GuestHasDeclined."""
    stream = _locked_for_answer(stream_id, by)
    if stream.guest_status == GuestStatus.DECLINED:
        raise GuestHasDeclined
    return _change(stream, "accept_guest", by=by, now=now, guest_status=GuestStatus.ACCEPTED)


@transaction.atomic
def decline_guest(stream_id: str, *, by: User, now: datetime) -> LiveStream:
    """The guest declines or leaves; again it changes nothing. Raises NotTheGuest, GuestAnswerTooLate."""
    stream = _locked_for_answer(stream_id, by)
    return _change(stream, "decline_guest", by=by, now=now, guest_status=GuestStatus.DECLINED)


@transaction.atomic
def delete_stream(stream_id: str, *, by: User | None, now: datetime, reason: str = "") -> LiveStream:
    """Take the stream out of sight; `purge` removes it after the retention time.

    Its thumbnail gets another name, which is told to nobody until the stream is restored.
    """
    stream = _locked(stream_id)
    allow_delete(stream, by=by, now=now)
    values: dict[str, Any] = {"deleted_at": now, "deleted_by_id": by and by.pk}
    if stream.thumbnail:
        values["thumbnail"] = renamed_later(stream.thumbnail, stream_id=stream.pk)
    return _change(stream, "delete_stream", by=by, now=now, reason=reason, **values)


@transaction.atomic
def restore_stream(stream_id: str, *, by: User | None, now: datetime, reason: str = "") -> LiveStream:
    stream = _locked(stream_id, deleted=True)
    allow_restore(stream, by=by, now=now)
    return _change(stream, "restore_stream", by=by, now=now, reason=reason, deleted_at=None, deleted_by_id=None)


# --- what commands do to many ---------------------------------------------------------------------


@transaction.atomic
def expire_stream(stream_id: str, *, now: datetime) -> bool:
    """Expire this stream if it still is a no-show; False when somebody was faster or it has been rescued.

    Never waits: a stream whose turn or row another transaction holds is left to that one, with False. The caller
    comes back to it the next time.
    """
    if not try_stream_lock(stream_id):
        return False
    stream = LiveStream.objects.no_shows(now).filter(pk=stream_id).for_update(skip_locked=True).first()
    if stream is None:
        return False
    status = _allow(stream, Action.EXPIRE)
    _change(stream, "expire_stream", by=None, now=now, status=status)
    return True


@transaction.atomic
def purge_stream(stream_id: str, *, now: datetime) -> str | None:
    """Remove this stream for good if its retention time is over; its thumbnail's file, or None when it is kept.

    Raises ProtectedError when something still points to it.
    """
    # Its rounds and chunks go with it, and those who have one in hand hold it before the stream.
    take_stream_lock(stream_id)
    stream = LiveStream.all_objects.past_retention(now).filter(pk=stream_id).for_update(skip_locked=True).first()
    if stream is None:
        return None
    before = {
        "title": stream.title,
        "status": stream.status,
        "creator_id": stream.creator_id,
        "deleted_at": stream.deleted_at,
        "deleted_by_id": stream.deleted_by_id,
    }
    audit.record("purge_stream", stream, by=None, now=now, before=before, after={})
    stream.delete()
    return stream.thumbnail
