"""Reminders and notifications over HTTP."""

from reminders.views.calendars import CalendarViewSet
from reminders.views.notifications import NotificationViewSet
from reminders.views.preferences import ChannelsViewSet
from reminders.views.reminders import ReminderViewSet
from reminders.views.unsubscribe import unsubscribe

__all__ = ["CalendarViewSet", "ChannelsViewSet", "NotificationViewSet", "ReminderViewSet", "unsubscribe"]
