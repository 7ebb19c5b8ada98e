"""Reminders and notifications over HTTP."""

from reminders.views.addresses import CalendarAddressViewSet, own_calendar
from reminders.views.calendars import CalendarViewSet
from reminders.views.devices import DeviceTokenViewSet
from reminders.views.notifications import NotificationViewSet
from reminders.views.preferences import ChannelsViewSet
from reminders.views.reminders import ReminderViewSet
from reminders.views.unsubscribe import unsubscribe

__all__ = [
    "CalendarAddressViewSet",
    "CalendarViewSet",
    "ChannelsViewSet",
    "DeviceTokenViewSet",
    "NotificationViewSet",
    "ReminderViewSet",
    "own_calendar",
    "unsubscribe",
]
