"""Retention of notifications by month, of unused push tokens, and of reminders and rounds of streams that are over."""

from collections.abc import Iterator
from datetime import datetime

from django.conf import settings

from common.old_rows import remove_months
from common.retention import Removal, Retention, remove_old_rows, remove_rows
from livestreams.models import over_before
from reminders.models import DeviceToken, Notification, Reminder, Round
from reminders.services.devices import UNUSED_AFTER

ROUNDS_AT_ONCE = 20  # a round of a million users has a thousand chunks, and as many deliveries for each channel


def kinds() -> Iterator[Retention]:
    yield Retention("notifications", "NOTIFICATION_RETENTION_MONTHS", _remove_notifications)
    yield Retention("reminders", "STREAM_RECORD_RETENTION_DAYS", _remove_reminders)
    yield Retention("device_tokens", "", _remove_device_tokens)
    yield Retention("rounds", "STREAM_RECORD_RETENTION_DAYS", _remove_rounds)


def _remove_notifications(now: datetime, removal: Removal) -> None:
    remove_months(Notification._meta.db_table, settings.NOTIFICATION_RETENTION_MONTHS, now, removal)


def _remove_reminders(now: datetime, removal: Removal) -> None:
    before = now - settings.STREAM_RECORD_RETENTION
    remove_old_rows(Reminder, removal, time="created_at", before=before, due=over_before(before, "stream__"))


def _remove_rounds(now: datetime, removal: Removal) -> None:
    """With their chunks and deliveries."""
    before = now - settings.STREAM_RECORD_RETENTION
    due = over_before(before, "stream__")
    remove_old_rows(Round, removal, time="opened_at", before=before, due=due, size=ROUNDS_AT_ONCE)


def _remove_device_tokens(now: datetime, removal: Removal) -> None:
    """Those that were last registered longer than UNUSED_AFTER ago. Those of a session are deleted with it."""
    remove_rows(DeviceToken.objects.filter(updated_at__lt=now - UNUSED_AFTER), removal)
