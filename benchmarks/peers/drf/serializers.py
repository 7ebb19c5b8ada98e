"""Nested ModelSerializers, as in the DRF tutorial."""

from datetime import timedelta
from typing import Any

from django.conf import settings
from rest_framework import serializers

from accounts.models import Media, User
from bans.models import LiveStreamBan
from benchmarks.peers.drf.contract import wire_time
from livestreams.models import LiveStream
from reminders.models import Reminder


class WireTime(serializers.DateTimeField):
    def to_representation(self, value: Any) -> Any:
        return value and wire_time(value)


class MediaSerializer(serializers.ModelSerializer[Media]):
    _id = serializers.CharField(source="id")
    url = serializers.SerializerMethodField()
    variants = serializers.SerializerMethodField()
    createdAt = WireTime(source="created_at")
    updatedAt = WireTime(source="updated_at")

    class Meta:
        model = Media
        fields = ["_id", "url", "type", "variants", "createdAt", "updatedAt"]

    def get_url(self, media: Media) -> str:
        return settings.MEDIA_URL + media.file

    def get_variants(self, media: Media) -> dict[str, str]:
        return {size: settings.MEDIA_URL + file for size, file in media.variants.items()}


class UserSerializer(serializers.ModelSerializer[User]):
    _id = serializers.CharField(source="id")
    profilePhoto = MediaSerializer(source="profile_photo")
    availabilityStatus = serializers.CharField(source="availability_status")

    class Meta:
        model = User
        fields = ["_id", "username", "name", "surname", "profilePhoto", "availabilityStatus"]


class LiveStreamSerializer(serializers.ModelSerializer[LiveStream]):
    id = serializers.CharField()
    liveStreamType = serializers.CharField(source="type")
    channelName = serializers.CharField(source="channel_name")
    creator = UserSerializer()
    guests = serializers.SerializerMethodField()
    thumbnailUrl = serializers.SerializerMethodField()
    accessType = serializers.SerializerMethodField()
    price = serializers.FloatField()
    durationGoal = serializers.IntegerField(source="duration_goal")
    plannedStartDate = WireTime(source="planned_start_at")
    plannedEndDate = serializers.SerializerMethodField()
    startedAt = WireTime(source="started_at")
    endedAt = WireTime(source="ended_at")
    guestStatus = serializers.CharField(source="guest_status")
    role = serializers.SerializerMethodField()
    deletedAt = WireTime(source="deleted_at")
    deletedBy = serializers.CharField(source="deleted_by_id")
    createdAt = WireTime(source="created_at")
    updatedAt = WireTime(source="updated_at")

    class Meta:
        model = LiveStream
        fields = [
            "id",
            "title",
            "liveStreamType",
            "channelName",
            "creator",
            "guests",
            "thumbnailUrl",
            "status",
            "accessType",
            "price",
            "interest",
            "durationGoal",
            "motivation",
            "plannedStartDate",
            "plannedEndDate",
            "startedAt",
            "endedAt",
            "guestStatus",
            "role",
            "deletedAt",
            "deletedBy",
            "createdAt",
            "updatedAt",
        ]

    def get_guests(self, stream: LiveStream) -> list[Any]:
        return [UserSerializer(stream.guest).data] if stream.guest else []

    def get_thumbnailUrl(self, stream: LiveStream) -> str:
        if stream.thumbnail:
            return settings.MEDIA_URL + stream.thumbnail
        return settings.PUBLIC_URL + "/static/livestreams/default-thumbnail.webp"

    def get_accessType(self, stream: LiveStream) -> str:
        return "paid" if stream.price else "free"

    def get_plannedEndDate(self, stream: LiveStream) -> str | None:
        if stream.planned_start_at is None or stream.duration_goal is None:
            return None
        return wire_time(stream.planned_start_at + timedelta(minutes=stream.duration_goal))

    def get_role(self, stream: LiveStream) -> str:
        user = self.context["request"].user
        if user == stream.creator:
            return "host"
        return "guest" if user == stream.guest and stream.guest_status != "declined" else "audience"

    def to_representation(self, stream: LiveStream) -> dict[str, Any]:
        wire = super().to_representation(stream)
        standing = [] if stream.guest_status == "declined" else wire["guests"]
        guests = [{"user": guest, "role": "guest"} for guest in standing]
        return wire | {"broadcasters": [{"user": wire["creator"], "role": "host"}, *guests]}


class LiveStreamBanSerializer(serializers.ModelSerializer[LiveStreamBan]):
    _id = serializers.CharField(source="id")
    targetUserId = serializers.CharField(source="target_id")
    targetUser = UserSerializer(source="target")
    liveStreamId = serializers.CharField(source="stream_id")
    actionType = serializers.CharField(source="action_type")
    createdBy = serializers.CharField(source="created_by_id")
    deletedAt = WireTime(source="deleted_at")
    deletedBy = serializers.CharField(source="deleted_by_id")
    createdAt = WireTime(source="created_at")
    updatedAt = WireTime(source="updated_at")
    expiresAt = WireTime(source="expires_at")

    class Meta:
        model = LiveStreamBan
        fields = [
            "_id",
            "targetUserId",
            "targetUser",
            "liveStreamId",
            "actionType",
            "reason",
            "createdBy",
            "deletedAt",
            "deletedBy",
            "createdAt",
            "updatedAt",
            "expiresAt",
        ]


class MakeBanSerializer(serializers.ModelSerializer[LiveStreamBan]):
    targetUserId = serializers.CharField(source="target_id")
    liveStreamId = serializers.CharField(source="stream_id")
    actionType = serializers.ChoiceField(LiveStreamBan.ActionType.choices, source="action_type")

    class Meta:
        model = LiveStreamBan
        fields = ["targetUserId", "liveStreamId", "actionType", "reason"]


class SetReminderSerializer(serializers.ModelSerializer[Reminder]):
    class Meta:
        model = Reminder
        fields = ["minute"]
