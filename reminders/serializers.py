"""Reminders and notifications: rows that are read, and validated input."""

from datetime import datetime
from typing import Any

from django.conf import settings
from django.core.validators import RegexValidator
from django.utils.translation import gettext_lazy as _
from rest_framework import serializers

from common.pagination import PageQuery
from common.rows import Derived, ReadSerializer
from common.schema import CountSerializer
from common.serializers import (
    AtLeastOneSerializer,
    IdField,
    InputSerializer,
    StrictBoolean,
    StrictChoice,
    StrictInteger,
    StrictString,
    WireTime,
)
from common.times import optional_wire_time
from livestreams.serializers import LiveStreamSerializer
from reminders.models import (
    LONGEST_DEVICE_ID,
    LONGEST_LEAD,
    LONGEST_TOKEN,
    NOTIFICATION_KINDS,
    Platform,
    Reminder,
    VerdictKind,
    scheduled_for,
    state_of,
)
from reminders.services import INBOX, Reminded
from reminders.texts import message_of, title_of

MODES = ["ON_START", "BEFORE_START"]
CATEGORY = "live_stream"
TYPE = "system"

# --- out ------------------------------------------------------------------------------------------


def mode_of(minute: int | None) -> str:
    return "BEFORE_START" if minute else "ON_START"


class ReminderSerializer(ReadSerializer):
    streamId = IdField(source="stream_id")
    minute = serializers.IntegerField(
        allow_null=True,
        min_value=0,
        max_value=LONGEST_LEAD,
        help_text="Before the planned start, as the caller set it.",
    )
    mode = Derived(serializers.ChoiceField(MODES), of=["minute"], by=mode_of)
    scheduledFor = Derived(
        WireTime(allow_null=True),
        of=["minute", "stream__planned_start_at"],
        by=scheduled_for,
        help_text="Follows the planned start. Null: when the stream really starts.",
    )
    status = Derived(
        serializers.ChoiceField(Reminder.State.choices),
        of=[
            "minute",
            "stream__status",
            "stream__planned_start_at",
            "stream__plan_set_at",
            "stream__started_at",
            "is_notified",
            "is_blocked",
            "asked_at",
        ],
        by=state_of,
    )


class MyReminderSerializer(ReminderSerializer):
    id = IdField(help_text="For `after`.")
    stream = LiveStreamSerializer()


def reminded_to_wire(reminded: Reminded) -> dict[str, Any]:
    """The wire form of a reminder that has just been set or removed."""
    return {
        "streamId": reminded.stream_id,
        "minute": reminded.minute,
        "mode": mode_of(reminded.minute),
        "scheduledFor": optional_wire_time(reminded.scheduled_for),
        "status": reminded.state,
    }


class MetadataSerializer(serializers.Serializer[Any]):
    streamId = IdField()
    kind = serializers.ChoiceField(NOTIFICATION_KINDS)
    plannedStartDate = WireTime(allow_null=True)
    banId = IdField(allow_null=True, help_text="The ban that the verdict is about. Null for other kinds.")


def metadata_of(
    stream_id: str, kind: str, planned_start_at: datetime | None, details: dict[str, Any] | None
) -> dict[str, Any]:
    start = None if kind in VerdictKind else optional_wire_time(planned_start_at)
    ban_id = details["ban_id"] if details else None
    return {"streamId": stream_id, "kind": kind, "plannedStartDate": start, "banId": ban_id}


def updated_at(created_at: datetime, read_at: datetime | None) -> datetime:
    return read_at or created_at


class NotificationSerializer(ReadSerializer):
    id = IdField()
    userId = IdField(source="user_id")
    type = Derived(serializers.ChoiceField([TYPE]), of=[], by=lambda: TYPE)
    category = Derived(serializers.ChoiceField([CATEGORY]), of=[], by=lambda: CATEGORY)
    title = Derived(serializers.CharField(), of=["kind"], by=title_of)
    message = Derived(
        serializers.CharField(),
        of=["kind", "stream__title", "planned_start_at", "created_at", "details"],
        by=message_of,
    )
    metadata = Derived(MetadataSerializer(), of=["stream_id", "kind", "planned_start_at", "details"], by=metadata_of)
    read = Derived(serializers.BooleanField(), of=["read_at"], by=lambda read_at: read_at is not None)
    createdAt = WireTime(source="created_at")
    updatedAt = Derived(WireTime(), of=["created_at", "read_at"], by=updated_at)


class UnreadCountSerializer(CountSerializer):
    unreadCount = serializers.IntegerField(min_value=0)


class MarkedSerializer(CountSerializer):
    markedCount = serializers.IntegerField(min_value=0, help_text="How many became read.")


class DeviceTokenSerializer(ReadSerializer):
    """A registered device, without its token."""

    id = IdField(help_text="For removing it.")
    platform = serializers.ChoiceField(Platform.choices)
    deviceId = Derived(serializers.CharField(allow_null=True), of=["device_id"], by=lambda device_id: device_id or None)
    createdAt = WireTime(source="created_at")
    updatedAt = WireTime(source="updated_at", help_text="The last registration.")


class CalendarAddressSerializer(serializers.Serializer[Any]):
    createdAt = WireTime()


class NewCalendarAddressSerializer(CalendarAddressSerializer):
    url = serializers.CharField(help_text="To subscribe to. It is shown this once.")


class ChannelsSerializer(serializers.Serializer[Any]):
    """The inbox, and those of the known channels that this installation offers."""

    def get_fields(self) -> dict[str, serializers.Field]:
        inbox = serializers.BooleanField(help_text="Always true.")
        return {INBOX: inbox, **{name: serializers.BooleanField(required=False) for name in settings.KNOWN_CHANNELS}}


# --- in -------------------------------------------------------------------------------------------


class SetReminderSerializer(InputSerializer):
    minute = StrictInteger(
        min_value=0,
        max_value=LONGEST_LEAD,
        allow_null=True,
        default=None,
        help_text="Before the planned start. Null, 0 or left out: when the stream really starts.",
    )


class MarkNotificationSerializer(InputSerializer):
    isRead = StrictBoolean(source="read", help_text="False marks it as unread.")


PRINTABLE = RegexValidator(r"^[!-~]+\Z", _("must be printable ASCII characters without spaces"))


class RegisterDeviceSerializer(InputSerializer):
    token = StrictString(max_length=LONGEST_TOKEN, validators=[PRINTABLE], help_text="As the push service gave it.")
    platform = StrictChoice(Platform.choices)
    deviceId = StrictString(
        source="device_id",
        max_length=LONGEST_DEVICE_ID,
        validators=[PRINTABLE],
        required=False,
        help_text="A name that the app gives to the device and keeps. Its new token replaces the one before.",
    )


class ChooseChannelsSerializer(AtLeastOneSerializer):
    def get_fields(self) -> dict[str, serializers.Field]:
        return {name: StrictBoolean(required=False) for name in (INBOX, *settings.KNOWN_CHANNELS)}


class ListNotificationsQuery(PageQuery):
    category = StrictChoice([CATEGORY], required=False, help_text="The subject. There is one so far.")
    read = StrictBoolean(required=False, help_text="True: only read ones. False: only unread ones.")
