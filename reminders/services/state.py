"""How far sending is behind, for /readyz and the doctor."""

from datetime import datetime, timedelta
from typing import Any

from common.jobs.heartbeat import is_any_worker_alive
from common.queries import Question
from common.times import optional_wire_time
from reminders.models import Chunk, Delivery, Round
from reminders.services.rounds import due_lead_times, found_until

FIRST_SPAN = timedelta(minutes=1)

# Compiled with constants instead of parameters: the planner uses a partial index only where the query implies its
# condition, and it cannot prove that for a parameter.
_OPEN_ROUND = Question(lambda: Round.objects.filter(state=Round.State.OPEN).order_by("due_at").values_list("due_at"))
_WAITING_CHUNK = Question(
    lambda: Chunk.objects.filter(state=Chunk.State.WAITING).order_by("due_at").values_list("due_at")
)
_PENDING_DELIVERY = Question(
    lambda: (
        Delivery.objects.filter(state=Delivery.State.PENDING).order_by("next_attempt_at").values_list("next_attempt_at")
    )
)


def dispatch_state(now: datetime) -> dict[str, Any]:
    """Whether a worker is alive, when the finder last ran, and what has been waiting for longest.

    `lagSeconds` is the time since the finder ran, None before the first time. Reads a few entries of partial indexes,
    whatever the size of the tables.
    """
    found = found_until()
    return {
        "working": is_any_worker_alive(now),
        "lagSeconds": None if found is None else round(max(0.0, (now - found).total_seconds()), 1),
        "foundUntil": optional_wire_time(found),
        "oldestDue": optional_wire_time(oldest_due(now, found_until=found)),
        "oldestOverdueDelivery": optional_wire_time(oldest_overdue_delivery(now)),
    }


def oldest_due(now: datetime, *, found_until: datetime | None) -> datetime | None:
    """The due time of the oldest due lead time without a round, open round or waiting chunk; None without any."""
    waiting = [_first(_OPEN_ROUND, now), _first(_WAITING_CHUNK, now), _oldest_lead_time(now, found_until or now)]
    return min(filter(None, waiting), default=None)


def oldest_overdue_delivery(now: datetime) -> datetime | None:
    """The time of the oldest next attempt of a delivery that is due; None without any."""
    return _first(_PENDING_DELIVERY, now)


def _first(question: Question, now: datetime) -> datetime | None:
    rows = question.rows(limit=1)
    return rows[0][0] if rows and rows[0][0] <= now else None


def _oldest_lead_time(now: datetime, found_until: datetime) -> datetime | None:
    """Search forward from the checkpoint in growing intervals: after a long outage the whole range would be large."""
    span = FIRST_SPAN
    while True:
        until = min(found_until + span, now)
        due = due_lead_times(until, found_until=found_until)
        if due or until == now:
            return min((each.due_at for each in due), default=None)
        span *= 4
