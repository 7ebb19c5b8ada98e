"""Joins, viewers, statistics, feedback and revocations on the wire: responses, request bodies and queries."""

from typing import Any

from rest_framework import serializers

from accounts.serializers import UserSummarySerializer
from common.pagination import PageQuery
from common.rows import Derived, ReadSerializer
from common.schema import page_of
from common.serializers import IdField, InputSerializer, StrictChoice, StrictInteger, StrictString, WireTime
from common.text_fields import FoldedText, ManyLines
from edges.models import Revocation
from livestreams.models import LiveStream
from livestreams.serializers import LONGEST_SEARCH, LiveStreamSerializer

# --- responses ------------------------------------------------------------------------------------


class JoinedSerializer(serializers.Serializer[Any]):
    liveStream = LiveStreamSerializer()
    token = serializers.CharField(help_text="A JWT for the media edge and the chat server.")
    role = serializers.ChoiceField(LiveStream.Role.choices)
    expiresAt = WireTime(help_text="When the token expires. Join again before.")


class LeftSerializer(serializers.Serializer[Any]):
    streamId = IdField()
    leftAt = WireTime(help_text="When you left; the first time, if you leave again without joining.")


class ViewerSerializer(UserSummarySerializer):
    joinedAt = WireTime(source="first_seen_at", help_text="When the user joined the stream for the first time.")


class ViewersPageSerializer(page_of(ViewerSerializer)):  # type: ignore[misc]
    participantAudienceTotal = serializers.IntegerField(
        min_value=0,
        help_text="How many different users have joined the stream as audience since it started, whether they are "
        "still there or not. `search` does not change it. Exact up to 1,000; above, it may be a minute old while the "
        "stream is active.",
    )


class ViewersAtSerializer(serializers.Serializer[Any]):
    at = WireTime()
    viewers = serializers.IntegerField(min_value=0)


class StatisticsSerializer(serializers.Serializer[Any]):
    streamId = IdField()
    isFinal = serializers.BooleanField(help_text="Whether the stream is over and its numbers change no more.")
    uniqueViewers = serializers.IntegerField(min_value=0, help_text="Different users who joined as audience.")
    peakViewers = serializers.IntegerField(min_value=0, help_text="The largest number of viewers at a time.")
    peakAt = WireTime(allow_null=True, help_text="When that number was counted first.")
    watchSeconds = serializers.IntegerField(min_value=0, help_text="How long the audience watched together.")
    averageWatchSeconds = serializers.IntegerField(min_value=0, help_text="The same, for each unique viewer.")
    remindersSet = serializers.IntegerField(min_value=0, help_text="Reminders that were set and not removed.")
    remindersConverted = serializers.IntegerField(min_value=0, help_text="Those whose users joined the stream.")
    bans = serializers.IntegerField(min_value=0, help_text="Bans from the stream, also those that are over.")
    secondsPerPoint = serializers.IntegerField(min_value=60)
    viewersOverTime = ViewersAtSerializer(many=True)


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


def number_of_viewers(viewers: int | None) -> int:
    # A server of an older version starts streams without a number.
    return viewers or 0


class LiveNowSerializer(LiveStreamSerializer):
    viewerCount = Derived(serializers.IntegerField(min_value=0), of=["viewer_count__viewers"], by=number_of_viewers)


class CatchStreamerSerializer(serializers.Serializer[Any]):
    creator = UserSummarySerializer()
    activeLiveStream = LiveStreamSerializer()


class MostWatchedCreatorSerializer(UserSummarySerializer):
    isFollowing = serializers.BooleanField(allow_null=True, help_text="Always null.")
    uniqueViewers = serializers.IntegerField(min_value=1)


def role_of_broadcaster(caller: str, creator_id: str) -> LiveStream.Role:
    return LiveStream.Role.HOST if caller == creator_id else LiveStream.Role.GUEST


class BroadcastedStreamSerializer(LiveStreamSerializer):
    role = Derived(
        serializers.ChoiceField(LiveStream.Role.choices),
        of=["creator_id"],
        by=role_of_broadcaster,
        asks_caller=True,
        help_text="`host` or `guest`.",
    )


class WatchedStreamSerializer(LiveStreamSerializer):
    role = Derived(
        serializers.ChoiceField(LiveStream.Role.choices),
        of=[],
        by=lambda: LiveStream.Role.AUDIENCE,
        help_text="`audience`.",
    )


class FeedbackSerializer(ReadSerializer):
    _id = IdField(source="id")
    streamId = IdField(source="stream_id")
    rating = serializers.IntegerField(min_value=1, max_value=5, help_text="5 is the best.")
    comment = serializers.CharField(allow_null=True, help_text="Null without one.")
    createdAt = WireTime(source="created_at")


class RatingCountSerializer(serializers.Serializer[Any]):
    rating = serializers.IntegerField(min_value=1, max_value=5, help_text="5 is the best.")
    count = serializers.IntegerField(min_value=0, help_text="How many gave this rating.")


class FeedbackCommentSerializer(serializers.Serializer[Any]):
    rating = serializers.IntegerField(min_value=1, max_value=5, help_text="5 is the best.")
    comment = serializers.CharField(help_text="What the viewer wrote.")
    createdAt = WireTime()


class FeedbackSummarySerializer(serializers.Serializer[Any]):
    streamId = IdField()
    count = serializers.IntegerField(min_value=0, help_text="How many gave feedback.")
    average = serializers.FloatField(
        min_value=1, max_value=5, allow_null=True, help_text="Of all ratings, to two decimals. Null without any."
    )
    ratings = RatingCountSerializer(many=True, help_text="Each rating, the best first.")
    comments = FeedbackCommentSerializer(many=True, help_text="The newest comments.")


# --- request bodies -------------------------------------------------------------------------------


class JoinSerializer(InputSerializer):
    # Existing apps send these keys; nothing reads them.
    ignored_keys = frozenset({"appVersion", "country", "deviceModel", "deviceType", "ipAddress", "osVersion", "role"})

    liveStreamId = IdField(source="stream_id")


class GiveFeedbackSerializer(InputSerializer):
    rating = StrictInteger(min_value=1, max_value=5, help_text="5 is the best.")
    comment = ManyLines(max_length=500, allow_null=True, required=False, help_text="Null without one.")


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


class LimitQuery(InputSerializer):
    empty_is_absent = False
    limit = StrictInteger(min_value=1, max_value=100, default=10, help_text="At most so many.")


class LiveNowQuery(PageQuery):
    sortBy = StrictChoice(["viewers", "newest"], source="sort_by", default="viewers", help_text="Always descending.")
