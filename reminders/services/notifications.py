"""The inbox: mark notifications as read or unread, one or all."""

from datetime import datetime
from typing import NamedTuple

from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from accounts.services import UserMissing
from common import audit
from common.jobs import defer
from common.refusals import Missing
from livestreams.models import of_living_stream
from reminders.models import Notification

MARK_REST = "reminders.tasks.mark_rest_of_notifications"
# Notifications that one transaction marks as read, which takes about a fifth of a second.
MARKED_AT_ONCE = 10_000


class NotificationMissing(Missing):
    code = "notification_not_found"
    message = _("you have no notification with this id")


@transaction.atomic
def mark_notification(notification_id: str, *, by: User, now: datetime, read: bool) -> None:
    """Mark a notification of `by` as read or unread. Without a change no audit row is written.

    Raises NotificationMissing, also for a notification of a deleted stream.
    """
    mine = Notification.objects.for_update().filter(pk=notification_id, user=by)
    notification = mine.filter(stream__deleted_at__isnull=True).first()
    if notification is None:
        raise NotificationMissing
    if (notification.read_at is not None) == read:
        return
    before = {"read_at": notification.read_at}
    notification.read_at = now if read else None
    notification.save(update_fields=["read_at"])
    after = {"read_at": notification.read_at}
    audit.record("mark_notification", notification, by=by, now=now, before=before, after=after)


# --- all ------------------------------------------------------------------------------------------


class Marked(NamedTuple):
    """How many notifications were marked as read, and whether a job marks further ones."""

    number: int
    has_rest: bool


@transaction.atomic
def mark_all_notifications(*, by: User, now: datetime) -> Marked:
    """Mark the unread notifications of `by` as read, apart from those of deleted streams. Raises UserMissing.

    Marks the newest MARKED_AT_ONCE. If there are more, a job marks those that were created by `now`.
    """
    user = User.objects.locked(by.pk, otherwise=UserMissing)
    return _mark_newest(user, _unread(user), now=now, until=now, actor=by)


@transaction.atomic
def mark_rest_of_notifications(user_id: str, *, now: datetime, until: datetime) -> Marked:
    """Mark the newest MARKED_AT_ONCE of the unread notifications of a user that were created by `until`.

    If there are more, another job marks those. Does nothing when the user does not exist.
    """
    user = User.objects.for_update().filter(pk=user_id).first()
    if user is None:
        return Marked(0, has_rest=False)
    return _mark_newest(user, _unread(user).filter(created_at__lte=until), now=now, until=until, actor=None)


def _unread(user: User) -> QuerySet[Notification]:
    return Notification.objects.filter(of_living_stream(), user=user, read_at__isnull=True)


def _mark_newest(
    user: User, unread: QuerySet[Notification], *, now: datetime, until: datetime, actor: User | None
) -> Marked:
    """The caller holds the lock of the user, so that two calls do not wait for rows of each other."""
    newest = unread.order_by("-created_at", "-pk").values("pk")[:MARKED_AT_ONCE]
    # The condition is checked again for a row that another call has marked meanwhile.
    count = Notification.objects.filter(pk__in=newest, read_at__isnull=True).update(read_at=now)
    if not count:
        return Marked(0, has_rest=False)
    audit.record("mark_all_notifications", user, by=actor, now=now, before={}, after={"marked": count})
    has_rest = unread.filter(created_at__lte=until).exists()
    if has_rest:
        defer(MARK_REST, user_id=user.pk, until=until.isoformat())
    return Marked(count, has_rest)
