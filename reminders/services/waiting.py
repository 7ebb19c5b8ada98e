"""Lists what is waiting to be sent, for dry runs."""

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import batched
from typing import NamedTuple

from django.conf import settings
from django.db.models import Count, QuerySet

from reminders.models import Chunk, Delivery, Kind, Reminder, Round
from reminders.services.deliveries import is_delivery_true
from reminders.services.rounds import (
    Due,
    awaiting,
    due_lead_times,
    due_of_stream,
    found_until,
    is_round_true,
)

STREAMS_PER_QUERY = 500


class Waiting(NamedTuple):
    """A due lead time without a round, an open round, a waiting chunk or a delivery whose next attempt is due.

    `people` is the number of users at the time of the query. `fate` is what sending it now would result in: `sent`,
    `missed` or `void`.
    """

    what: str
    id: str | None
    stream_id: str
    kind: str
    minute: int | None
    channel: str | None
    due_at: datetime
    people: int
    fate: str


def open_rounds(stream_id: str | None = None) -> QuerySet[Round]:
    rounds = Round.objects.filter(state=Round.State.OPEN)
    return rounds if stream_id is None else rounds.filter(stream=stream_id)


def waiting_chunks(stream_id: str | None = None) -> QuerySet[Chunk]:
    chunks = Chunk.objects.filter(state=Chunk.State.WAITING)
    return chunks if stream_id is None else chunks.filter(round__stream=stream_id)


def due_deliveries(now: datetime, stream_id: str | None = None) -> QuerySet[Delivery]:
    deliveries = Delivery.objects.filter(state=Delivery.State.PENDING, next_attempt_at__lte=now)
    return deliveries if stream_id is None else deliveries.filter(chunk__round__stream=stream_id)


def all_waiting(now: datetime, *, stream_id: str | None = None) -> Iterator[Waiting]:
    """All that is waiting, of one stream or of all, in processing order: lead times, rounds, chunks, deliveries."""
    yield from _lead_times(now, stream_id)
    for round_ in open_rounds(stream_id).select_related("stream").order_by("due_at", "pk"):
        yield _of_round(round_, now, "round", round_.pk, awaiting(round_).count())
    for chunk in waiting_chunks(stream_id).select_related("round__stream").order_by("due_at", "pk"):
        yield _of_round(chunk.round, now, "chunk", chunk.pk, _reminders_of(chunk).count())
    deliveries = due_deliveries(now, stream_id).select_related("chunk__round__stream")
    for delivery in deliveries.order_by("next_attempt_at", "pk"):
        round_ = delivery.chunk.round
        yield Waiting(
            what="delivery",
            id=delivery.pk,
            stream_id=round_.stream_id,
            kind=round_.kind,
            minute=round_.minute,
            channel=delivery.channel,
            due_at=delivery.next_attempt_at,  # type: ignore[arg-type]  # not null while pending
            people=delivery.chunk.notified,
            fate="sent" if is_delivery_true(delivery) else "void",
        )


def _lead_times(now: datetime, stream_id: str | None) -> Iterator[Waiting]:
    if stream_id is None:
        found = due_lead_times(now, found_until=found_until() or now)
    else:
        found = due_of_stream(stream_id, now)
    for due in batched(found, STREAMS_PER_QUERY):
        people = _people(due)
        for each in due:
            yield Waiting(
                what="lead time",
                id=None,
                stream_id=each.stream_id,
                kind=Kind.REMINDER,
                minute=each.minute,
                channel=None,
                due_at=each.due_at,
                people=people[each.stream_id, each.minute],
                fate="missed" if now > each.due_at + settings.REMINDER_GRACE else "sent",
            )


def _people(due: Iterable[Due]) -> Counter[tuple[str, int | None]]:
    waiting = Reminder.objects.filter(stream__in={each.stream_id for each in due})
    counted = waiting.values_list("stream_id", "minute").annotate(people=Count("pk")).order_by()
    return Counter({(stream_id, minute): people for stream_id, minute, people in counted})


def _reminders_of(chunk: Chunk) -> QuerySet[Reminder]:
    reminders = awaiting(chunk.round)
    if chunk.after_user is not None:
        reminders = reminders.filter(user__gt=chunk.after_user)
    return reminders if chunk.up_to_user is None else reminders.filter(user__lte=chunk.up_to_user)


def _of_round(round_: Round, now: datetime, what: str, row_id: str, people: int) -> Waiting:
    fate = "missed" if now > round_.good_until else "sent"
    return Waiting(
        what=what,
        id=row_id,
        stream_id=round_.stream_id,
        kind=round_.kind,
        minute=round_.minute,
        channel=None,
        due_at=round_.due_at,
        people=people,
        fate=fate if is_round_true(round_, round_.stream) else "void",
    )
