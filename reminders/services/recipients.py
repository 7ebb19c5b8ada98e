"""Recipients of a round: who of the waiting users gets its notification, and who of them has not had it."""

from datetime import datetime, timedelta
from typing import Any

from django.db import models, transaction
from django.db.models import Exists, OuterRef, Q

from common.metrics import Counter
from common.queries import ID, TIME, Param, Question, count_of
from reminders.models import LONGEST_LEAD, Kind, Notification, Reminder, Round, blocks_of

# The notifications of one plan are inserted after its longest lead time begins. A day more, because clocks differ.
LONGEST_PLAN = timedelta(minutes=LONGEST_LEAD, days=1)

NOTIFICATIONS = Counter(
    "notifications_total",
    "People who were notified, and those who were not because it was too late (missed)",
    ["kind", "outcome"],
    known=[(kind.value, outcome) for kind in Kind for outcome in ("notified", "missed")],
)


def count_notifications(kind: str, outcome: str, people: int) -> None:
    """Count them when the transaction has committed."""
    if people:
        transaction.on_commit(lambda: NOTIFICATIONS.inc(kind, outcome, by=people))


def _users(is_first: bool, is_last: bool) -> Q:
    """The range of a chunk."""
    users = Q()
    if not is_first:
        users &= Q(user__gt=Param("after_user", ID))
    if not is_last:
        users &= Q(user__lte=Param("up_to_user", ID))
    return users


def notified(kind: str, is_first: bool, is_last: bool) -> models.QuerySet[Notification]:
    """The notifications of this kind and plan that the user of an outer query has.

    The user range is repeated so that an anti-join reads only the notifications of this chunk, not those of the whole
    stream. `since` bounds the months that are read. A plan without a start has none: it has no lead times, and a stream
    starts or is cancelled once.
    """
    return Notification.objects.filter(
        _users(is_first, is_last),
        stream=OuterRef("stream"),
        user=OuterRef("user"),
        kind=kind,
        planned_start_at=Param("planned_start_at", TIME),
        created_at__gte=Param("since", TIME),
    )


def recipients(kind: str, is_first: bool, is_last: bool) -> models.QuerySet[Reminder]:
    """The reminders of a chunk whose users are not blocked and, for `live`, have not had the reminder."""
    reminders = Reminder.objects.filter(
        ~Exists(blocks_of(stream=OuterRef("stream"), user=OuterRef("user"), now=Param("now", TIME))),
        stream=Param("stream", ID),
    )
    if kind == Kind.REMINDER:
        reminders = reminders.filter(minute=Param("minute", models.SmallIntegerField()))
    if kind == Kind.LIVE:
        reminders = reminders.filter(~Exists(notified(Kind.REMINDER, is_first, is_last)))
    return reminders.filter(_users(is_first, is_last))


def _without_notification(kind: str, is_first: bool, is_last: bool) -> models.QuerySet[Reminder]:
    """Recipients without this notification. After a move away and back, an earlier round may have sent it."""
    return recipients(kind, is_first, is_last).filter(~Exists(notified(kind, is_first, is_last)))


_COUNT = Question(lambda *shape: count_of(_without_notification(*shape)))


def plan_of(round_: Round) -> dict[str, Any]:
    """Values of parameters that are the same for all chunks of a round."""
    planned = round_.planned_start_at
    return {
        "stream": round_.stream_id,
        "minute": round_.minute,
        "planned_start_at": planned,
        "since": planned and planned - LONGEST_PLAN,
    }


def count_without_notification(round_: Round, after_user: str | None, up_to_user: str | None, *, now: datetime) -> int:
    """How many recipients of `round_` in the range (`after_user`, `up_to_user`] have not had its notification.

    None is no bound.
    """
    shape = (round_.kind, after_user is None, up_to_user is None)
    ((count,),) = _COUNT.rows(*shape, **plan_of(round_), after_user=after_user, up_to_user=up_to_user, now=now)
    return count
