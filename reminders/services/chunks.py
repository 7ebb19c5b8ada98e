"""Chunks: the notices of about a thousand people are written into the ledger in one statement."""

import os
from datetime import datetime
from typing import Any

from django.db import models, transaction
from django.db.models import Exists, F, Func, OuterRef, Q, Value
from django.db.models.functions import Cast

from common import audit
from common.fields import ObjectIdField
from common.queries import Insertion, Param, Question
from livestreams.models import LiveStream
from livestreams.services import share_turn
from reminders.models import Chunk, Delivery, Kind, Notification, Reminder, blocks_of
from reminders.services.channels import channel_names
from reminders.services.jobs import DELIVERING, each_later
from reminders.services.rounds import is_sayable

ID = ObjectIdField()
TIME = models.DateTimeField()
RANDOM_BYTES = 5  # of an id, between its seconds and its counter: see common/fields.py


class NumberedId(Func):
    """Ids with one beginning of nine bytes, in the order of the rows."""

    template = "%(expressions)s::bytea || substr(int4send((row_number() OVER ())::int), 2)"
    arity = 1


def _those_to_tell(kind: str, from_the_first: bool, to_the_last: bool) -> models.QuerySet[Reminder]:
    """The reminders of a chunk whose people may be told, and were not told so already."""
    ledger = Notification.objects.filter(stream=OuterRef("stream"), user=OuterRef("user"))
    waiting = Reminder.objects.filter(
        ~Exists(blocks_of(stream=OuterRef("stream"), user=OuterRef("user"), now=Param("now", TIME))),
        stream=Param("stream", ID),
    )
    if kind == Kind.REMINDER:
        waiting = waiting.filter(minute=Param("minute", models.SmallIntegerField()))
    people = Q()
    if not from_the_first:
        people &= Q(user__gt=Param("after_user", ID))
    if not to_the_last:
        people &= Q(user__lte=Param("up_to_user", ID))
    if kind == Kind.LIVE:
        # The same people once more: else PostgreSQL reads the ledger of the whole stream for each chunk. Only a planned
        # start has lead times, so without one there is nothing to find.
        told = ledger.filter(people, planned_start_at=Param("planned_start_at", TIME), kind=Kind.REMINDER)
        waiting = waiting.filter(~Exists(told))
    return waiting.filter(people)


def _notices(kind: str, from_the_first: bool, to_the_last: bool) -> models.QuerySet[Any]:
    return _those_to_tell(kind, from_the_first, to_the_last).values_list(
        NumberedId(Param("prefix", models.BinaryField())),
        "user_id",
        "stream_id",
        Value(kind),
        F("minute") if kind == Kind.REMINDER else Value(None, output_field=models.SmallIntegerField()),
        Cast(Param("planned_start_at", TIME), TIME),
        Cast(Param("now", TIME), TIME),
    )


_TELL = Insertion(
    Notification,
    ["id", "user", "stream", "kind", "minute", "planned_start_at", "created_at"],
    _notices,
    once=["stream", "user", "kind", "planned_start_at"],
)
_COUNT = Question(
    lambda *shape: _those_to_tell(*shape).values_list(
        Func(F("pk"), function="COUNT", output_field=models.BigIntegerField())
    )
)


@transaction.atomic
def tell_chunk(chunk_id: str, *, now: datetime) -> list[str]:
    """Write the notices of a chunk and hand them to the channels; the ids of the deliveries.

    Nothing when that has been done. Blocked people are passed over, people who were told so already are not told again.
    """
    stream_id = Chunk.objects.filter(pk=chunk_id).values_list("round__stream_id", flat=True).first()
    if stream_id is None:
        return []
    # So that nobody cancels the stream or bans its viewers between the looks below and the commit.
    share_turn(stream_id)
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
    if not is_sayable(round_, stream):
        chunk.state = Chunk.State.VOID
    elif now > round_.good_until:
        chunk.state = Chunk.State.MISSED
        chunk.missed = _COUNT.rows(*shape, **given)[0][0]
    else:
        chunk.state = Chunk.State.TOLD
        prefix = int(now.timestamp()).to_bytes(4) + os.urandom(RANDOM_BYTES)
        chunk.told = _TELL.run(*shape, **given, prefix=prefix)
    chunk.closed_at = now
    chunk.save(update_fields=["state", "told", "missed", "closed_at"])
    after = {"state": chunk.state, "told": chunk.told, "missed": chunk.missed}
    audit.record("tell_chunk", chunk, by=None, now=now, before={"state": Chunk.State.WAITING}, after=after)
    return _hand_over(chunk, now) if chunk.told else []


_STREAM = Question(lambda: LiveStream.all_objects.filter(pk=Param("id", ID)))


def _hand_over(chunk: Chunk, now: datetime) -> list[str]:
    deliveries = [Delivery(chunk=chunk, channel=name, created_at=now, next_attempt_at=now) for name in channel_names()]
    if not deliveries:
        return []
    Delivery.objects.bulk_create(deliveries)
    ids = [delivery.pk for delivery in deliveries]
    each_later("deliver", [{"delivery_id": delivery_id} for delivery_id in ids], queue=DELIVERING)
    return ids
