"""How far sending is behind, and what waits to be sent, for `settings.METRICS_READINGS`."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from django.db.models import QuerySet

from common.metrics.readings import Reading, by_label, one_row
from common.queries import CountUpTo, Question
from reminders import services
from reminders.models import Chunk, Delivery, Round
from reminders.overview import MOST_COUNTED, MOST_WALKED, reminders_due

SOON = timedelta(hours=1)
# Those that an operator may have to do something about. All others only grow.
DELIVERY_STATES = (Delivery.State.PENDING, Delivery.State.FAILED, Delivery.State.STOPPED)


def _counted(rows: QuerySet[Round] | QuerySet[Chunk] | QuerySet[Delivery], *order: str) -> CountUpTo:
    return CountUpTo(rows, MOST_COUNTED, order=order)


def _deliveries(state: Delivery.State) -> CountUpTo:
    return _counted(Delivery.objects.filter(state=state), "-created_at", "-id")


_NUMBERS = Question(
    lambda: one_row(
        _counted(Round.objects.filter(state=Round.State.OPEN), "due_at"),
        _counted(Chunk.objects.filter(state=Chunk.State.WAITING), "due_at"),
        *map(_deliveries, DELIVERY_STATES),
        reminders_due(),
    )
)


def read(now: datetime) -> Iterator[Reading]:
    found = services.found_until()
    if found is not None:
        yield Reading("dispatch_lag_seconds", "Since the finder last ran", _since(found, now))
    due = services.oldest_due(now, found_until=found)
    yield Reading("oldest_due_seconds", "How late the oldest notification is that is not sent yet", _since(due, now))
    overdue = services.oldest_overdue_delivery(now)
    yield Reading("oldest_overdue_delivery_seconds", "How late the oldest delivery is", _since(overdue, now))
    ((rounds, chunks, *deliveries, soon),) = _NUMBERS.rows(now=now, soon=now + SOON)
    yield Reading("rounds_open", f"Rounds that are not cut yet, at most {MOST_COUNTED:,}", rounds)
    yield Reading("chunks_waiting", f"Chunks that are not notified yet, at most {MOST_COUNTED:,}", chunks)
    states = [str(state) for state in DELIVERY_STATES]
    about = f"Stored deliveries, at most {MOST_COUNTED:,} of each state"
    yield from by_label("deliveries", about, "state", dict(zip(states, deliveries, strict=True)))
    about = f"Reminders that come due within an hour, among {MOST_WALKED:,} that are read"
    yield Reading("reminders_due_soon", about, soon["found"])


def _since(moment: datetime | None, now: datetime) -> float:
    """In seconds; 0 without a moment, and for one that is still to come."""
    return 0.0 if moment is None else max(0.0, (now - moment).total_seconds())
