"""Deliveries that did not get through: find them, and make them due again, each once."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from django.db import transaction
from django.db.models import Q, QuerySet

from accounts.models import User
from common.clock import database_time
from reminders.models import Delivery
from reminders.services.deliveries import DeliveryMissing, send_again

State = Delivery.State

# Those of the last state are tried again anyway; a retry brings their next attempt forward.
UNDELIVERED = (State.FAILED, State.STOPPED, State.PENDING)


class Seen(NamedTuple):
    """A delivery as it was when it was listed. Each attempt and each retry changes one of these columns."""

    id: str
    state: str
    attempts: int
    attempted_at: datetime | None
    next_attempt_at: datetime | None


@dataclass(frozen=True)
class Wanted:
    """What to find. `since` and `until` are times of the last attempt, `error` is a part of the last error."""

    states: tuple[str, ...] = UNDELIVERED
    channel: str = ""
    stream_id: str = ""
    chunk_id: str = ""
    error: str = ""
    since: datetime | None = None
    until: datetime | None = None


def undelivered(wanted: Wanted) -> QuerySet[Delivery]:
    """Deliveries whose last attempt failed, the newest first."""
    untried = Q(state=State.PENDING, last_error="")
    given: dict[str, Any] = {
        "channel": wanted.channel,
        "chunk__round__stream": wanted.stream_id,
        "chunk": wanted.chunk_id,
        "last_error__icontains": wanted.error,
        "attempted_at__gte": wanted.since,
        "attempted_at__lt": wanted.until,
    }
    found = Delivery.objects.filter(~untried, state__in=wanted.states)
    return found.filter(**{name: value for name, value in given.items() if value}).order_by("-created_at", "-pk")


def seen(deliveries: QuerySet[Delivery]) -> list[Seen]:
    return [Seen(*row) for row in deliveries.values_list("pk", *Seen._fields[1:])]


@transaction.atomic
def retry_delivery(listed: Seen, *, by: User | None, reason: str) -> bool:
    """Make due now what is as it was listed. Returns False, and changes nothing, when it is not, or is due anyway.

    So of any number of callers that have listed the same failure, one retries it. Raises DeliveryMissing, NoLongerTrue.
    """
    found = Delivery.objects.for_update().filter(pk=listed.id)
    present = next(iter(seen(found)), None)
    if present is None:
        raise DeliveryMissing
    now = database_time()
    if present != listed or is_due(present, now):
        return False
    send_again(listed.id, by=by, now=now, reason=reason)
    return True


def is_due(listed: Seen, now: datetime) -> bool:
    """Whether a worker attempts it now anyway."""
    return listed.next_attempt_at is not None and listed.next_attempt_at <= now
