"""Joins, viewers and revocations on the wire: responses, request bodies and queries."""

from typing import Any

from rest_framework import serializers

from common.pagination import PageQuery
from common.serializers import IdField, InputSerializer, StrictString, WireTime
from common.text_fields import FoldedText
from edges.models import Revocation
from livestreams.models import LiveStream
from livestreams.serializers import LONGEST_SEARCH, LiveStreamSerializer

# --- responses ------------------------------------------------------------------------------------


class JoinedSerializer(serializers.Serializer[Any]):
    liveStream = LiveStreamSerializer()
    token = serializers.CharField(help_text="A JWT for the media edge and the chat server.")
    role = serializers.ChoiceField(LiveStream.Role.choices)
    expiresAt = WireTime(help_text="When the token expires. Join again before.")


class ViewerCountSerializer(serializers.Serializer[Any]):
    streamId = IdField()
    viewerCount = serializers.IntegerField(min_value=0)


class RevocationSerializer(serializers.Serializer[Any]):
    userId = IdField()
    action = serializers.ChoiceField(Revocation.Action.choices)
    until = WireTime(allow_null=True, help_text="Null: until it is lifted.")
    at = WireTime()


class RevocationsSerializer(serializers.Serializer[Any]):
    list = RevocationSerializer(many=True)
    cursor = serializers.CharField(help_text="The value of `since` for the next call.")


# --- request bodies -------------------------------------------------------------------------------


class JoinSerializer(InputSerializer):
    # Existing apps send these keys; nothing reads them.
    ignored_keys = frozenset({"appVersion", "country", "deviceModel", "deviceType", "ipAddress", "osVersion", "role"})

    liveStreamId = IdField(source="stream_id")


# --- queries --------------------------------------------------------------------------------------


class ViewersQuery(PageQuery):
    search = FoldedText(
        max_length=LONGEST_SEARCH,
        required=False,
        help_text="Words, or parts of words, all of which the username, name and surname have together; in any case, "
        "with and without accents.",
    )


class RevocationsQuery(InputSerializer):
    empty_is_absent = False
    since = StrictString(
        max_length=64, required=False, help_text="The `cursor` of the previous call. Absent: all that holds now."
    )
