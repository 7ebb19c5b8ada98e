"""Chunks: insert the notifications of about a thousand users in one statement."""

import os
from datetime import datetime
from typing import Any

from django.db import models, transaction
from django.db.models import Exists, F, Func, OuterRef, Q, Value
from django.db.models.functions import Cast

from common import audit
from common.jobs import defer_each
from common.queries import ID, TIME, Insertion, Param, Question, count_of
from livestreams.models import LiveStream
from livestreams.services import share_stream_lock
from reminders.models import Chunk, Delivery, Kind, Notification, Reminder, blocks_of
from reminders.services.channels import channel_names
from reminders.services.deliveries import DELIVER
from reminders.services.rounds import is_round_true

RANDOM_BYTES = 5  # of an id, between its timestamp and its counter: see common/fields.py


class NumberedId(Func):
    """Ids with a common prefix of nine bytes and the row number as counter."""

    template = "%(expressions)s::bytea || substr(int4send((row_number() OVER ())::int), 2)"
    arity = 1


def _users(is_first: bool, is_last: bool) -> Q:
    """The range of a chunk."""
    users = Q()
    if not is_first:
        users &= Q(user__gt=Param("after_user", ID))
    if not is_last:
        users &= Q(user__lte=Param("up_to_user", ID))
    return users


def _recipients(kind: str, is_first: bool, is_last: bool) -> models.QuerySet[Reminder]:
    """The reminders of a chunk whose users are not blocked and, for `live`, have not had the reminder."""
    notifications = Notification.objects.filter(stream=OuterRef("stream"), user=OuterRef("user"))
    reminders = Reminder.objects.filter(
        ~Exists(blocks_of(stream=OuterRef("stream"), user=OuterRef("user"), now=Param("now", TIME))),
        stream=Param("stream", ID),
    )
    if kind == Kind.REMINDER:
        reminders = reminders.filter(minute=Param("minute", models.SmallIntegerField()))
    users = _users(is_first, is_last)
    if kind == Kind.LIVE:
        # The user range is repeated so that the anti-join reads only the notifications of this chunk, not those of the
        # whole stream. Only a planned start has lead times, so without one it has nothing to exclude.
        reminded = notifications.filter(users, planned_start_at=Param("planned_start_at", TIME), kind=Kind.REMINDER)
        reminders = reminders.filter(~Exists(reminded))
    return reminders.filter(users)


def _notifications(kind: str, is_first: bool, is_last: bool) -> models.QuerySet[Any]:
    return _recipients(kind, is_first, is_last).values_list(
        NumberedId(Param("prefix", models.BinaryField())),
        "user_id",
        "stream_id",
        Value(kind),
        F("minute") if kind == Kind.REMINDER else Value(None, output_field=models.SmallIntegerField()),
        Cast(Param("planned_start_at", TIME), TIME),
        Cast(Param("now", TIME), TIME),
    )


_INSERT = Insertion(
    Notification,
    ["id", "user", "stream", "kind", "minute", "planned_start_at", "created_at"],
    _notifications,
)


def _missed(kind: str, is_first: bool, is_last: bool) -> models.QuerySet[Reminder]:
    """Recipients without this notification. After a move away and back, an earlier round may have sent it."""
    notified = Notification.objects.filter(
        _users(is_first, is_last),
        stream=OuterRef("stream"),
        user=OuterRef("user"),
        kind=kind,
        planned_start_at=Param("planned_start_at", TIME),
    )
    return _recipients(kind, is_first, is_last).filter(~Exists(notified))


_MISSED = Question(lambda *shape: count_of(_missed(*shape)))


@transaction.atomic
def notify_chunk(chunk_id: str, *, now: datetime) -> list[str]:
    """Insert the notifications of a waiting chunk, create its deliveries, and return their ids. Idempotent.

    Blocked users are skipped. ON CONFLICT DO NOTHING skips users who have this notification already.
    """
    stream_id = Chunk.objects.filter(pk=chunk_id).values_list("round__stream_id", flat=True).first()
    if stream_id is None:
        return []
    # A shared advisory lock: the stream is not cancelled and nobody is banned from it between the checks below and the
    # commit.
    share_stream_lock(stream_id)
    waiting = Chunk.objects.for_update().filter(pk=chunk_id, state=Chunk.State.WAITING)
    chunk = waiting.select_related("round").first()
    if chunk is None:
        return []
    round_ = chunk.round
    stream = _STREAM.instance(id=round_.stream_id)
    shape = (round_.kind, chunk.after_user is None, chunk.up_to_user is None)
    given = {
        "stream": round_.stream_id,
        "minute": round_.minute,
        "planned_start_at": round_.planned_start_at,
        "after_user": chunk.after_user,
        "up_to_user": chunk.up_to_user,
        "now": now,
    }
    if not is_round_true(round_, stream):
        chunk.state = Chunk.State.VOID
    elif now > round_.good_until:
        chunk.state = Chunk.State.MISSED
        chunk.missed = _MISSED.rows(*shape, **given)[0][0]
    else:
        chunk.state = Chunk.State.NOTIFIED
        prefix = int(now.timestamp()).to_bytes(4) + os.urandom(RANDOM_BYTES)
        chunk.notified = _INSERT.run(*shape, **given, prefix=prefix)
    chunk.closed_at = now
    chunk.save(update_fields=["state", "notified", "missed", "closed_at"])
    after = {"state": chunk.state, "notified": chunk.notified, "missed": chunk.missed}
    audit.record("notify_chunk", chunk, by=None, now=now, before={"state": Chunk.State.WAITING}, after=after)
    return _hand_over(chunk, now) if chunk.notified else []


_STREAM = Question(lambda: LiveStream.all_objects.filter(pk=Param("id", ID)))


def _hand_over(chunk: Chunk, now: datetime) -> list[str]:
    deliveries = [Delivery(chunk=chunk, channel=name, created_at=now, next_attempt_at=now) for name in channel_names()]
    if not deliveries:
        return []
    Delivery.objects.bulk_create(deliveries)
    ids = [delivery.pk for delivery in deliveries]
    defer_each(DELIVER, [{"delivery_id": delivery_id} for delivery_id in ids])
    return ids
