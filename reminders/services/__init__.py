"""Services of reminders and notifications. API, admin, commands and tasks all call these."""

from reminders.services.addresses import (
    CalendarAddressMissing,
    NewAddress,
    create_calendar_address,
    delete_calendar_address,
)
from reminders.services.chunks import notify_chunk
from reminders.services.deliveries import (
    AlreadyDelivered,
    DeliveryMissing,
    NoLongerTrue,
    deliver,
    refuse_send_again,
    send_again,
)
from reminders.services.devices import DeviceTokenMissing, register_device, remove_device
from reminders.services.notifications import (
    Marked,
    NotificationMissing,
    mark_all_notifications,
    mark_notification,
    mark_rest_of_notifications,
)
from reminders.services.preferences import INBOX, channels_of, choose_channels, lock_channels, unsubscribe
from reminders.services.reminders import (
    MomentPassed,
    Reminded,
    ReminderMissing,
    StreamNotAwaited,
    StreamWithoutPlan,
    lock_reminder,
    remove_reminder,
    set_reminder,
)
from reminders.services.retries import UNDELIVERED, Seen, Wanted, is_due, retry_delivery, seen, undelivered
from reminders.services.rounds import (
    CHUNK,
    Due,
    cut_round,
    due_lead_times,
    due_of_stream,
    follow_stream,
    found_until,
    open_due_rounds,
    open_due_rounds_of_stream,
    requeue_lost_work,
)
from reminders.services.state import dispatch_state, oldest_due, oldest_overdue_delivery
from reminders.services.verdicts import notify_of_verdicts, withdraw_verdict_notice

__all__ = [
    "CHUNK",
    "INBOX",
    "UNDELIVERED",
    "AlreadyDelivered",
    "CalendarAddressMissing",
    "DeliveryMissing",
    "DeviceTokenMissing",
    "Due",
    "Marked",
    "MomentPassed",
    "NewAddress",
    "NoLongerTrue",
    "NotificationMissing",
    "Reminded",
    "ReminderMissing",
    "Seen",
    "StreamNotAwaited",
    "StreamWithoutPlan",
    "Wanted",
    "channels_of",
    "choose_channels",
    "create_calendar_address",
    "cut_round",
    "delete_calendar_address",
    "deliver",
    "dispatch_state",
    "due_lead_times",
    "due_of_stream",
    "follow_stream",
    "found_until",
    "is_due",
    "lock_channels",
    "lock_reminder",
    "mark_all_notifications",
    "mark_notification",
    "mark_rest_of_notifications",
    "notify_chunk",
    "notify_of_verdicts",
    "oldest_due",
    "oldest_overdue_delivery",
    "open_due_rounds",
    "open_due_rounds_of_stream",
    "refuse_send_again",
    "register_device",
    "remove_device",
    "remove_reminder",
    "requeue_lost_work",
    "retry_delivery",
    "seen",
    "send_again",
    "set_reminder",
    "undelivered",
    "unsubscribe",
    "withdraw_verdict_notice",
]
