"""The steps of every change of a stream: lock it, check its state, write the change and its audit row.

State is checked only on a locked row, so of any number of concurrent calls exactly one succeeds and the others are
refused.
"""

from datetime import datetime
from typing import Any

from accounts.models import User
from common import audit
from common.queries import ID, Param, Question
from common.replica.last_writes import note_write_of_others
from common.writes import run, update
from livestreams.hooks import STREAM_FOLLOWERS
from livestreams.models import Action, LiveStream, Status, next_status
from livestreams.services.refusals import REFUSALS, StreamMissing
from livestreams.services.stream_lock import take_stream_lock

SHOWN_IN_CALENDARS = frozenset({"status", "planned_start_at", "duration_goal", "title", "motivation", "deleted_at"})

_LOCKED = Question(lambda: LiveStream.all_objects.filter(pk=Param("id", ID)).for_update())


def locked_stream(stream_id: str, *, deleted: bool = False) -> LiveStream:
    """The stream, locked until the transaction ends. Raises StreamMissing, without `deleted` also for a deleted one."""
    take_stream_lock(stream_id)
    stream: LiveStream | None = _LOCKED.instance(id=stream_id)
    if stream is None or (stream.is_deleted and not deleted):
        raise StreamMissing
    return stream


def allow(stream: LiveStream, action: Action) -> Status:
    """The status that `action` leads to. Raises the MoveRefused that belongs to the action."""
    status = next_status(stream.status, action)
    if status is None:
        raise REFUSALS[action](stream.status)
    return status


def allow_living(stream: LiveStream, action: Action) -> Status:
    """As `allow`. Raises StreamMissing for a deleted stream."""
    if stream.is_deleted:
        raise StreamMissing
    return allow(stream, action)


def change_stream(
    stream: LiveStream, verb: str, *, by: User | None, now: datetime, reason: str = "", **values: Any
) -> LiveStream:
    """Write the `values` that differ, and one audit row. If none differs, do nothing."""
    before = {name: getattr(stream, name) for name, value in values.items() if getattr(stream, name) != value}
    if not before:
        return stream
    after = {name: values[name] for name in before}
    # `now` was read before the lock was acquired, so a change that waited may have an earlier time than the last one.
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
    noted = audit.entry(verb, stream, by=by, now=after_time, before=before, after=after, reason=reason)
    run(update(stream, [*after, *beside]), noted)
    # A creator does not find a stream that a moderator has deleted, nor a guest one that has moved.
    members = {stream.creator_id, *([stream.guest_id] if stream.guest_id else [])}
    note_write_of_others(members - {by.pk if by else ""})
    for follow in STREAM_FOLLOWERS.functions().values():
        follow(stream, changed=after.keys(), now=after_time)
    return stream
