"""Streams on the wire: responses, request bodies and queries."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import Any, ClassVar
from urllib.parse import urljoin

from django.conf import settings
from django.templatetags.static import static
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from rest_framework import serializers

from accounts.serializers import UserSummarySerializer, file_url
from common.pagination import PageQuery
from common.rows import Derived, ReadSerializer, Siblings, ZeroOrOne
from common.serializers import (
    ALWAYS,
    AtLeastOneSerializer,
    IdField,
    InputSerializer,
    StrictChoice,
    StrictInteger,
    StrictList,
    StrictMultipleChoice,
    StrictNumber,
    WireTime,
    WithoutCycles,
    between,
)
from common.text_fields import FoldedText, ManyLines, OneLine, SearchedText
from livestreams.models import LATEST_PLAN, GuestStatus, LiveStream, Status, planned_end, role_of
from livestreams.names import CHANNEL_NAME
from livestreams.services import purge_at

LONGEST_WINDOW_HOURS = 8760  # a year
# Three times the longest name: the upper case of one letter can be three code points.
LONGEST_SEARCH = 450
LARGEST_PRICE = 99_999_999

# --- responses ------------------------------------------------------------------------------------


def access_type(price: Decimal | None) -> LiveStream.AccessType:
    return LiveStream.AccessType.PAID if price else LiveStream.AccessType.FREE


@cache
def default_thumbnail_url() -> str:
    return urljoin(settings.PUBLIC_URL, static("livestreams/default-thumbnail.webp"))


def thumbnail_url(file: str, deleted_at: datetime | None) -> str:
    # A deleted stream's file is renamed; the response to the deletion must not contain the new address.
    return file_url(file) if file and deleted_at is None else default_thumbnail_url()


def broadcasters(
    creator: dict[str, Any], guests: list[dict[str, Any]], guest_status: str | None
) -> list[dict[str, Any]]:
    """The creator, and the guest unless they have declined."""
    host = {"user": creator, "role": "host"}
    if guest_status == GuestStatus.DECLINED:
        return [host]
    return [host, *({"user": guest, "role": "guest"} for guest in guests)]


class BroadcasterSerializer(serializers.Serializer[Any]):
    user = UserSummarySerializer()
    role = serializers.ChoiceField(["host", "guest"])


class LiveStreamSerializer(ReadSerializer):
    id = IdField()
    title = serializers.CharField()
    liveStreamType = serializers.ChoiceField(LiveStream.Type.choices, source="type")
    channelName = serializers.CharField(source="channel_name")
    creator = UserSummarySerializer()
    guests = ZeroOrOne(child=UserSummarySerializer(), source="guest")
    broadcasters = Siblings(
        serializers.ListField(child=BroadcasterSerializer()),
        of=["creator", "guests"],
        columns=["guest_status"],
        by=broadcasters,
    )
    thumbnailUrl = Derived(serializers.CharField(), of=["thumbnail", "deleted_at"], by=thumbnail_url)
    status = serializers.ChoiceField(Status.choices)
    accessType = Derived(serializers.ChoiceField(LiveStream.AccessType.choices), of=["price"], by=access_type)
    price = serializers.FloatField(allow_null=True)
    interest = serializers.CharField(allow_null=True)
    durationGoal = serializers.IntegerField(source="duration_goal", allow_null=True, help_text="Minutes.")
    motivation = serializers.CharField(allow_null=True)
    plannedStartDate = WireTime(source="planned_start_at", allow_null=True)
    plannedEndDate = Derived(WireTime(allow_null=True), of=["planned_start_at", "duration_goal"], by=planned_end)
    startedAt = WireTime(source="started_at", allow_null=True)
    endedAt = WireTime(source="ended_at", allow_null=True)
    guestStatus = serializers.ChoiceField(
        GuestStatus.choices,
        source="guest_status",
        allow_null=True,
        help_text="The answer of the guest; null without a guest. Public lists show only accepted guests.",
    )
    role = Derived(
        serializers.ChoiceField(LiveStream.Role.choices, allow_null=True),
        of=["creator_id", "guest_id", "guest_status"],
        by=role_of,
        asks_caller=True,
        help_text="The role of the caller in the stream; null for an anonymous caller.",
    )
    deletedAt = WireTime(source="deleted_at", allow_null=True)
    deletedBy = IdField(source="deleted_by_id", allow_null=True)
    createdAt = WireTime(source="created_at")
    updatedAt = WireTime(source="updated_at")


class UpcomingStreamSerializer(LiveStreamSerializer):
    isReminderActive = serializers.BooleanField(
        source="reminder_active",
        allow_null=True,
        help_text="Whether a reminder of yours is still to be sent; null for an anonymous caller.",
    )


class DeletedStreamSerializer(LiveStreamSerializer):
    purgeAt = Derived(
        WireTime(),
        of=["deleted_at"],
        by=purge_at,
        help_text="When the stream is removed for good. Until then it can be restored.",
    )


# --- paths ----------------------------------------------------------------------------------------


class ChannelNameField(WithoutCycles, serializers.RegexField):
    default_error_messages: ClassVar = {"invalid": _("must be lower-case letters and digits with hyphens between them")}

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(rf"\A{CHANNEL_NAME.pattern}\Z", trim_whitespace=False, **kwargs)
        # The pattern alone, which excludes what the other validators refuse, so that there is one message.
        self.validators = self.validators[-1:]


# --- request bodies -------------------------------------------------------------------------------


class GuestsField(StrictList):
    """A list of at most one id on the wire; None or that id in Python."""

    default_error_messages: ClassVar = {"max_length": _("must have at most one id")}
    child = IdField()

    def run_validation(self, data: Any = serializers.empty) -> str | None:
        guests = super().run_validation(data)
        return guests[0] if guests else None


class PriceField(StrictNumber):
    """A price with at most two decimals; 0 and null both mean free."""

    default_error_messages: ClassVar = {"decimals": _("must have at most two decimals")}

    def __init__(self, **kwargs: Any) -> None:
        bounds = between(0, LARGEST_PRICE)
        super().__init__(min_value=0, max_value=LARGEST_PRICE, error_messages=bounds, **kwargs)

    def to_internal_value(self, data: Any) -> Decimal:  # type: ignore[override]  # exact, unlike a float
        price = Decimal(str(super().to_internal_value(data)))
        # `round` raises InvalidOperation on too many digits; such a price is out of bounds, which is checked later.
        if abs(price) <= LARGEST_PRICE and price != round(price, 2):
            self.fail("decimals")
        return price


class PlannedStartField(WireTime):
    default_error_messages: ClassVar = {
        "past": _("must lie in the future"),
        "far": _("must lie before the year 2100"),
    }

    def to_internal_value(self, value: Any) -> Any:
        moment = super().to_internal_value(value)
        if moment <= timezone.now():
            self.fail("past")
        if moment >= LATEST_PLAN:
            self.fail("far")
        return moment


class EditStreamSerializer(AtLeastOneSerializer):
    title = OneLine(max_length=140)
    guests = GuestsField(
        source="guest", max_length=1, help_text="Ids: one for a duo, none for a solo stream. A new one is invited."
    )
    price = PriceField(allow_null=True, help_text="Above 0: paid.")
    interest = OneLine(max_length=50, allow_null=True)
    durationGoal = StrictInteger(
        source="duration_goal", min_value=1, max_value=1440, allow_null=True, help_text="Minutes."
    )
    motivation = ManyLines(max_length=1000, allow_null=True, allow_blank=True)
    plannedStartDate = PlannedStartField(
        source="planned_start_at", allow_null=True, help_text="In the future. Null: preparing."
    )

    def get_fields(self) -> dict[str, serializers.Field]:
        fields = super().get_fields()
        for field in fields.values():
            field.required = False
        return fields


class CreateStreamSerializer(InputSerializer):
    title = OneLine(max_length=140)
    liveStreamType = StrictChoice(LiveStream.Type.choices, source="type", default=LiveStream.Type.SOLO)
    guests = GuestsField(
        source="guest", max_length=1, required=False, help_text="Ids: one for a duo, none for a solo stream."
    )
    price = PriceField(allow_null=True, required=False, help_text="Above 0: paid.")
    interest = OneLine(max_length=50, allow_null=True, required=False)
    durationGoal = StrictInteger(
        source="duration_goal",
        min_value=1,
        max_value=1440,
        allow_null=True,
        required=False,
        help_text="Minutes.",
    )
    motivation = ManyLines(max_length=1000, allow_null=True, allow_blank=True, required=False)
    plannedStartDate = PlannedStartField(
        source="planned_start_at",
        allow_null=True,
        required=False,
        help_text="In the future. Given: the stream is scheduled; absent: it is preparing.",
    )


class ThumbnailField(WithoutCycles, serializers.FileField):
    default_error_messages: ClassVar = {**ALWAYS, "invalid": _("must be a file, sent as multipart/form-data")}

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(help_text="JPEG, PNG or WebP, at most 5 MB.", **kwargs)


class CreateStreamFormSerializer(CreateStreamSerializer):
    documented_as_form = True

    thumbnail = ThumbnailField(required=False)


class SetThumbnailSerializer(InputSerializer):
    documented_as_form = True

    thumbnail = ThumbnailField()


# --- queries --------------------------------------------------------------------------------------


SORTABLE = {
    "createdAt": "created_at",
    "updatedAt": "updated_at",
    "startedAt": "started_at",
    "plannedStartDate": "planned_start_at",
    "endedAt": "ended_at",
    "durationGoal": "duration_goal",
}


RANK = "rank"  # the order of a search that asks for none


class SortedQuery(PageQuery):
    sortBy = StrictChoice(list(SORTABLE), source="sort_by", default="createdAt")
    sortOrder = StrictChoice(["asc", "desc"], source="sort_order", default="desc")


class ListStreamsQuery(SortedQuery):
    status = StrictMultipleChoice(choices=Status.choices, required=False, help_text="May be repeated.")
    creatorId = IdField(source="creator", required=False)
    interest = SearchedText(max_length=50, required=False)
    search = FoldedText(
        max_length=LONGEST_SEARCH,
        required=False,
        help_text="Words, or parts of words, all of which the title has; in any case, with and without accents.",
    )
    plannedFrom = WireTime(source="planned_from", required=False)
    plannedTo = WireTime(source="planned_to", required=False)
    sortBy = StrictChoice(
        list(SORTABLE),
        source="sort_by",
        required=False,
        help_text="By default `createdAt`. In a `search` in descending order, what is live comes first, then what "
        "begins soonest, then the rest, the newest first.",
    )

    def validate(self, query: dict[str, Any]) -> dict[str, Any]:
        is_ranked = "search" in query and "sort_by" not in query and query["sort_order"] == "desc"
        return query | {"sort_by": RANK} if is_ranked else query


class GuestStreamsQuery(SortedQuery):
    status = StrictMultipleChoice(choices=Status.choices, required=False, help_text="May be repeated.")


class WindowQuery(PageQuery):
    """How long before and after now a planned start may be; subclasses choose the unit."""

    @classmethod
    def with_window(cls, query: Mapping[str, Any], now: datetime) -> dict[str, Any]:
        """The query in ascending order, with the window as the times `earliest` and `latest`."""
        rest = {name: value for name, value in query.items() if not isinstance(value, timedelta)}
        window = {"earliest": now - query["before"], "latest": now + query["ahead"]}
        return rest | window | {"sort_order": "asc"}


class UpcomingQuery(WindowQuery):
    hoursBefore = StrictInteger(min_value=0, max_value=LONGEST_WINDOW_HOURS, default=24)
    hoursAfter = StrictInteger(min_value=0, max_value=LONGEST_WINDOW_HOURS, default=24)

    def validate(self, query: dict[str, Any]) -> dict[str, Any]:
        before, ahead = query.pop("hoursBefore"), query.pop("hoursAfter")
        return query | {"before": timedelta(hours=before), "ahead": timedelta(hours=ahead)}


class UpcomingInMinutesQuery(WindowQuery):
    minutesBefore = StrictInteger(min_value=0, max_value=LONGEST_WINDOW_HOURS * 60, default=1440)
    minutesAfter = StrictInteger(min_value=0, max_value=LONGEST_WINDOW_HOURS * 60, default=1440)

    def validate(self, query: dict[str, Any]) -> dict[str, Any]:
        before, ahead = query.pop("minutesBefore"), query.pop("minutesAfter")
        return query | {"before": timedelta(minutes=before), "ahead": timedelta(minutes=ahead)}
