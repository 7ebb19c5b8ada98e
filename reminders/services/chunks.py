"""Chunks: insert the notifications of about a thousand users in one statement."""

import os
from datetime import datetime, timedelta
from time import monotonic
from typing import Any

from django.db import models, transaction
from django.db.models import Exists, F, Func, Value
from django.db.models.functions import Cast

from common import audit
from common.jobs import defer_each
from common.partitions import begin_of, month_of
from common.queries import ID, TIME, Insertion, Param, Question
from livestreams.models import LiveStream
from livestreams.services import share_stream_lock, take_stream_lock
from reminders.models import Chunk, Delivery, Kind, Notification, Round
from reminders.services.channels import channel_names
from reminders.services.deliveries import DELIVER
from reminders.services.recipients import (
    LONGEST_PLAN,
    count_notifications,
    count_without_notification,
    notified,
    plan_of,
    recipients,
)
from reminders.services.rounds import is_round_true

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


def _notifications(kind: str, is_first: bool, is_last: bool, is_in_two_months: bool) -> models.QuerySet[Any]:
    found = recipients(kind, is_first, is_last)
    if is_in_two_months:
        found = found.filter(~Exists(notified(kind, is_first, is_last).filter(created_at__lt=Param("month", TIME))))
    return found.values_list(
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
        **plan_of(round_),
        "after_user": chunk.after_user,
        "up_to_user": chunk.up_to_user,
        "now": now,
        "month": _begin_of_month(now),
    }
    if not is_round_true(round_, stream):
        chunk.state = Chunk.State.VOID
    elif now > round_.good_until:
        chunk.state = Chunk.State.MISSED
        chunk.missed = count_without_notification(round_, chunk.after_user, chunk.up_to_user, now=now)
    else:
        chunk.state = Chunk.State.NOTIFIED
        prefix = int(now.timestamp()).to_bytes(4) + os.urandom(RANDOM_BYTES)
        chunk.notified = _INSERT.run(*shape, _is_in_two_months(round_, now), **given, prefix=prefix)
        if monotonic() - began > LONGEST_TRANSACTION:
            raise TooSlow
    count_notifications(round_.kind, "notified", chunk.notified)
    count_notifications(round_.kind, "missed", chunk.missed)
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
