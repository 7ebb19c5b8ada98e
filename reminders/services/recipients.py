"""Recipients of a round: who of the waiting users gets its notification, and who of them has not had it."""

from datetime import datetime

from django.db import models
from django.db.models import Exists, OuterRef, Q

from common.queries import ID, TIME, Param, Question, count_of
from reminders.models import Kind, Notification, Reminder, Round, blocks_of


def _users(is_first: bool, is_last: bool) -> Q:
    """The range of a chunk."""
    users = Q()
    if not is_first:
        users &= Q(user__gt=Param("after_user", ID))
    if not is_last:
        users &= Q(user__lte=Param("up_to_user", ID))
    return users


def recipients(kind: str, is_first: bool, is_last: bool) -> models.QuerySet[Reminder]:
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


def _without_notification(kind: str, is_first: bool, is_last: bool) -> models.QuerySet[Reminder]:
    """Recipients without this notification. After a move away and back, an earlier round may have sent it."""
    notified = Notification.objects.filter(
        _users(is_first, is_last),
        stream=OuterRef("stream"),
        user=OuterRef("user"),
        kind=kind,
        planned_start_at=Param("planned_start_at", TIME),
    )
    return recipients(kind, is_first, is_last).filter(~Exists(notified))


_COUNT = Question(lambda *shape: count_of(_without_notification(*shape)))


def count_without_notification(round_: Round, after_user: str | None, up_to_user: str | None, *, now: datetime) -> int:
    """How many recipients of `round_` in the range (`after_user`, `up_to_user`] have not had its notification.

    None is no bound.
    """
    ((count,),) = _COUNT.rows(
        round_.kind,
        after_user is None,
        up_to_user is None,
        stream=round_.stream_id,
        minute=round_.minute,
        planned_start_at=round_.planned_start_at,
        after_user=after_user,
        up_to_user=up_to_user,
        now=now,
    )
    return count
