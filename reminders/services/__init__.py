"""What may happen to reminders, and the telling. API, admin, commands and tasks all come here."""

from reminders.services.chunks import tell_chunk
from reminders.services.notifications import NotificationMissing, mark_notification
from reminders.services.reminders import (
    Reminded,
    ReminderMissing,
    StreamNotAwaited,
    StreamWithoutPlan,
    remove_reminder,
    set_reminder,
)
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
)

__all__ = [
    "CHUNK",
    "Due",
    "NotificationMissing",
    "Reminded",
    "ReminderMissing",
    "StreamNotAwaited",
    "StreamWithoutPlan",
    "cut_round",
    "due_lead_times",
    "due_of_stream",
    "follow_stream",
    "found_until",
    "mark_notification",
    "open_due_rounds",
    "open_due_rounds_of_stream",
    "remove_reminder",
    "set_reminder",
    "tell_chunk",
]
