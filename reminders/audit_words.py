"""The audit trail in words: reminders, notifications, and what notifies."""

from django.utils.translation import gettext_lazy as _

from common.admin.audit_registry import Action, Field, Kind, Reference, add_action, add_kind
from reminders.models import CalendarAddress, Chunk, Delivery, DeviceToken, Notification, Reminder, Round

STREAM = Field(_("stream"), kind="livestream")

STREAMS = "streams"
SYSTEM = "system"

add_kind(
    Kind(
        "reminder",
        _("reminder"),
        Reminder,
        refers={"stream": Reference("livestream", "stream_id", "stream_id")},
        fields={"stream_id": STREAM},
    )
)
add_kind(
    Kind(
        "round",
        _("round"),
        Round,
        refers={"stream": Reference("livestream", "stream_id", "stream_id")},
        fields={"stream_id": STREAM, "chunks": _("chunks")},
    )
)
add_kind(
    Kind(
        "chunk",
        _("chunk"),
        Chunk,
        refers={"stream": Reference("livestream", "round__stream_id", "")},
    )
)
add_kind(
    Kind(
        "delivery",
        _("delivery"),
        Delivery,
        refers={"stream": Reference("livestream", "chunk__round__stream_id", "")},
        fields={"reached_user": Field(_("last person who was reached"), kind="user")},
    )
)
add_kind(
    Kind(
        "notification",
        _("notification"),
        Notification,
        refers={"stream": Reference("livestream", "stream_id", "")},
        fields={"read_at": _("read at")},
    )
)
add_kind(
    Kind(
        "devicetoken",
        _("device"),
        DeviceToken,
        refers={"person": Reference("user", "user_id", "user_id", finds=True)},
        fields={
            "user_id": Field(_("person"), kind="user"),
            "session_id": _("session"),
            "platform": _("platform"),
            "device_id": _("id of the device"),
            "removed": _("removed devices"),
        },
    )
)
add_kind(
    Kind(
        "calendaraddress",
        _("calendar address"),
        CalendarAddress,
        refers={"person": Reference("user", "user_id", "")},
        fields={"created_at": _("created at")},
    )
)

for action in (
    Action(
        "set_reminder",
        "reminder",
        STREAMS,
        _("set a reminder"),
        _("%(actor)s set a reminder for %(stream)s"),
    ),
    Action(
        "remove_reminder",
        "reminder",
        STREAMS,
        _("remove a reminder"),
        _("%(actor)s removed the reminder for %(stream)s"),
    ),
    Action(
        "mark_notification",
        "notification",
        SYSTEM,
        _("mark a notification"),
        _("%(actor)s marked a notification about %(stream)s"),
    ),
    Action(
        "mark_all_notifications",
        "user",
        SYSTEM,
        _("mark notifications as read"),
        _("%(actor)s marked notifications of %(person)s as read"),
    ),
    Action(
        "choose_channels",
        "user",
        SYSTEM,
        _("choose channels of notifications"),
        _("%(actor)s chose by which channels %(person)s is notified"),
    ),
    Action(
        "register_device",
        "devicetoken",
        SYSTEM,
        _("register a device"),
        _("%(actor)s registered a device for notifications"),
    ),
    Action(
        "remove_device",
        "devicetoken",
        SYSTEM,
        _("remove a device"),
        _("%(actor)s removed a device for notifications"),
    ),
    Action(
        "create_calendar_address",
        "calendaraddress",
        SYSTEM,
        _("create a calendar address"),
        _("%(actor)s created a calendar address"),
    ),
    Action(
        "delete_calendar_address",
        "calendaraddress",
        SYSTEM,
        _("delete a calendar address"),
        _("%(actor)s deleted a calendar address"),
    ),
    Action(
        "open_round",
        "round",
        SYSTEM,
        _("open a round"),
        _("%(actor)s began to notify of %(stream)s"),
    ),
    Action(
        "cut_round",
        "round",
        SYSTEM,
        _("cut a round"),
        _("%(actor)s cut the round of %(stream)s into %(chunks)s chunks"),
    ),
    Action(
        "notify_chunk",
        "chunk",
        SYSTEM,
        _("notify a chunk"),
        _("%(actor)s notified %(notified)s people of %(stream)s"),
    ),
    Action(
        "deliver",
        "delivery",
        SYSTEM,
        _("deliver notifications"),
        _("%(actor)s tried to deliver notifications of %(stream)s"),
        (
            "state",
            {
                Delivery.State.DELIVERED: _("%(actor)s delivered notifications of %(stream)s"),
                Delivery.State.FAILED: _("%(actor)s gave up delivering notifications of %(stream)s"),
                Delivery.State.STOPPED: _("%(actor)s stopped delivering notifications of %(stream)s"),
                Delivery.State.VOID: _("%(actor)s dropped notifications of %(stream)s that were no longer true"),
            },
        ),
    ),
    Action(
        "send_again",
        "delivery",
        SYSTEM,
        _("send a delivery again"),
        _("%(actor)s sends notifications of %(stream)s again"),
    ),
):
    add_action(action)
