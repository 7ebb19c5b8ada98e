"""Chunks: insert the notifications of about a thousand users in one statement."""

import os
from datetime import datetime, timedelta
from time import monotonic
from typing import Any

from django.db import models, transaction
from django.db.models import Exists, F, Func, OuterRef, Q, Value
from django.db.models.functions import Cast

from common import audit
from common.jobs import defer_each
from common.partitions import begin_of, month_of
from common.queries import ID, TIME, Insertion, Param, Question, count_of
from livestreams.models import LiveStream
from livestreams.services import share_stream_lock, take_stream_lock
from reminders.models import LONGEST_LEAD, Chunk, Delivery, Kind, Notification, Reminder, Round, blocks_of
from reminders.services.channels import channel_names
from reminders.services.deliveries import DELIVER
from reminders.services.rounds import is_round_true

# The notifications of one plan are inserted after its longest lead time begins. A day more, because clocks differ.
LONGEST_PLAN = timedelta(minutes=LONGEST_LEAD, days=1)
# Around the begin of a month the chunks of a stream run one after the other.
BOUNDARY = timedelta(minutes=10)
LONGEST_TRANSACTION = 300  # seconds
RANDOM_BYTES = 5  # of an id, between its timestamp and its counter: see common/fields.py


class TooSlow(Exception):
    """The transaction of a chunk took too long. Its job is run again."""


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
        reminded = notifications.filter(
            users,
            planned_start_at=Param("planned_start_at", TIME),
            kind=Kind.REMINDER,
            created_at__gte=Param("since", TIME),
        )
        reminders = reminders.filter(~Exists(reminded))
    return reminders.filter(users)


def _notifications(kind: str, is_first: bool, is_last: bool, is_in_two_months: bool) -> models.QuerySet[Any]:
    recipients = _recipients(kind, is_first, is_last)
    if is_in_two_months:
        earlier = Notification.objects.filter(
            _users(is_first, is_last),
            stream=OuterRef("stream"),
            user=OuterRef("user"),
            kind=kind,
            planned_start_at=Param("planned_start_at", TIME),
            created_at__gte=Param("since", TIME),
            created_at__lt=Param("month", TIME),
        )
        recipients = recipients.filter(~Exists(earlier))
    return recipients.values_list(
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

    Blocked users are skipped. ON CONFLICT DO NOTHING skips users who have this notification already. The unique
    constraint is that of one month: see `_lock` for those of the month before.

    Raises TooSlow, and changes nothing, when it took so long that it may not be alone.
    """
    began = monotonic()
    stream_id = Chunk.objects.filter(pk=chunk_id).values_list("round__stream_id", flat=True).first()
    if stream_id is None:
        return []
    _lock(stream_id, now)
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
        "since": round_.planned_start_at and round_.planned_start_at - LONGEST_PLAN,
        "month": _begin_of_month(now),
    }
    if not is_round_true(round_, stream):
        chunk.state = Chunk.State.VOID
    elif now > round_.good_until:
        chunk.state = Chunk.State.MISSED
        chunk.missed = _MISSED.rows(*shape, **given)[0][0]
    else:
        chunk.state = Chunk.State.NOTIFIED
        prefix = int(now.timestamp()).to_bytes(4) + os.urandom(RANDOM_BYTES)
        chunk.notified = _INSERT.run(*shape, _is_in_two_months(round_, now), **given, prefix=prefix)
        if monotonic() - began > LONGEST_TRANSACTION:
            raise TooSlow
    chunk.closed_at = now
    chunk.save(update_fields=["state", "notified", "missed", "closed_at"])
    after = {"state": chunk.state, "notified": chunk.notified, "missed": chunk.missed}
    audit.record("notify_chunk", chunk, by=None, now=now, before={"state": Chunk.State.WAITING}, after=after)
    return _hand_over(chunk, now) if chunk.notified else []


def _lock(stream_id: str, now: datetime) -> None:
    """The stream is not cancelled and nobody is banned from it between the checks that follow and the commit.

    The lock is shared, except around the begin of a month. The unique constraint of the notifications is one of each
    month. Two rounds of one plan, whose chunks have some users in common, may run at the same time in two months, and
    neither would see the rows of the other. One after the other they do: see `_is_in_two_months`. A transaction that
    began before that time has ended, because it may not take longer than LONGEST_TRANSACTION.
    """
    if _begin_of_month(now + BOUNDARY) == _begin_of_month(now - BOUNDARY):
        share_stream_lock(stream_id)
    else:
        take_stream_lock(stream_id)


def _is_in_two_months(round_: Round, now: datetime) -> bool:
    """Whether a notification of the same plan may be of an earlier month.

    A stream starts or is cancelled once, in one round, so only lead times have several rounds of one plan.
    """
    if round_.kind != Kind.REMINDER or round_.planned_start_at is None:
        return False
    return round_.planned_start_at - LONGEST_PLAN < _begin_of_month(now)


def _begin_of_month(moment: datetime) -> datetime:
    return begin_of(month_of(moment))


_STREAM = Question(lambda: LiveStream.all_objects.filter(pk=Param("id", ID)))


def _hand_over(chunk: Chunk, now: datetime) -> list[str]:
    deliveries = [Delivery(chunk=chunk, channel=name, created_at=now, next_attempt_at=now) for name in channel_names()]
    if not deliveries:
        return []
    Delivery.objects.bulk_create(deliveries)
    ids = [delivery.pk for delivery in deliveries]
    defer_each(DELIVER, [{"delivery_id": delivery_id} for delivery_id in ids])
    return ids
