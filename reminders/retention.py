"""Retention of notifications by month, of unused push tokens, and of reminders and rounds of streams that are over."""

from collections.abc import Iterator
from datetime import datetime

from django.conf import settings

from common.old_rows import remove_months
from common.retention import Kept, Removal, Retention, remove_old_rows, remove_rows
from livestreams.models import over_before
from reminders.models import DeviceToken, Notification, Reminder, Round

ROUNDS_AT_ONCE = 20  # a round of a million users has a thousand chunks, and as many deliveries for each channel


ROUNDS = ("reminders_round", "reminders_chunk", "reminders_delivery")


def kinds() -> Iterator[Retention | Kept]:
    yield Retention(
        "notifications", "NOTIFICATION_RETENTION_MONTHS", (Notification._meta.db_table,), _remove_notifications
    )
    yield Retention("reminders", "REMINDER_RETENTION_DAYS", (Reminder._meta.db_table,), _remove_reminders)
    yield Retention(
        "device_tokens", "DEVICE_TOKEN_RETENTION_DAYS", (DeviceToken._meta.db_table,), _remove_device_tokens
    )
    yield Retention("rounds", "DELIVERY_RETENTION_DAYS", ROUNDS, _remove_rounds)
    yield Kept("reminders_leadtime", "until the stream is purged: numbers of minutes, of nobody in particular")
    yield Kept("reminders_checkpoint", "for ever: one row, of the finder")
    yield Kept("reminders_mutedchannel", "until the user wants the channel again, or the account is removed")
    yield Kept("reminders_calendaraddress", "until the user replaces or revokes it, or the account is removed")


def _remove_notifications(now: datetime, removal: Removal) -> None:
    remove_months(Notification._meta.db_table, settings.NOTIFICATION_RETENTION_MONTHS, now, removal, time="created_at")


def _remove_reminders(now: datetime, removal: Removal) -> None:
    before = now - settings.REMINDER_RETENTION
    remove_old_rows(Reminder, removal, time="created_at", before=before, due=over_before(before, "stream__"))


def _remove_rounds(now: datetime, removal: Removal) -> None:
    """With their chunks and deliveries."""
    before = now - settings.DELIVERY_RETENTION
    due = over_before(before, "stream__")
    remove_old_rows(Round, removal, time="opened_at", before=before, due=due, size=ROUNDS_AT_ONCE)


def _remove_device_tokens(now: datetime, removal: Removal) -> None:
    """Those that were last registered before the retention. Those of a session are deleted with it."""
    before = now - settings.DEVICE_TOKEN_RETENTION
    remove_rows(DeviceToken.objects.filter(updated_at__lt=before), removal, time="updated_at")
