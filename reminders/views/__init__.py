"""Reminders and notifications over HTTP."""

from reminders.views.notifications import NotificationViewSet
from reminders.views.reminders import ReminderViewSet

__all__ = ["NotificationViewSet", "ReminderViewSet"]
