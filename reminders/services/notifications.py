"""The inbox: mark notifications as read or unread."""

from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from common import audit
from common.refusals import Missing
from reminders.models import Notification


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
