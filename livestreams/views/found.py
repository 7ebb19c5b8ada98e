"""One stream over HTTP, found by its channel name or by its creator."""

from typing import ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.services import UserMissing
from common.refusals import Refusal
from common.views import ApiViewSet
from livestreams import reads
from livestreams.serializers import ChannelNameField, LiveStreamSerializer
from livestreams.services import Banned, StreamMissing


class FoundStreamViewSet(ApiViewSet):
    """One stream, named by something else than its id."""

    path_fields: ClassVar = {"channelName": ChannelNameField()}
    refusals: ClassVar[dict[str, list[type[Refusal]]]] = {
        "by_channel": [StreamMissing, Banned],
        "active_of_user": [UserMissing, Banned],
    }

    @extend_schema(
        operation_id="getLiveStreamByChannelByChannelnameV1",
        summary="Get Live Stream by channel name",
        tags=["Live Streams"],
        responses={200: LiveStreamSerializer},
    )
    def by_channel(self, request: Request, channelName: str) -> Response:
        """Read one stream by its channel name. Otherwise as reading it by its id."""
        return Response(reads.stream_of_channel(channelName, caller=self.user.pk))

    @extend_schema(
        operation_id="getLiveStreamUserByUseridActiveStreamV1",
        summary="Get the active live stream of a user",
        tags=["Live Streams"],
        responses={200: LiveStreamSerializer(allow_null=True)},
    )
    def active_of_user(self, request: Request, userId: str) -> Response:
        """The active stream of a user, or null. If a ban blocks you from it, it is refused, as reading it by its id."""
        return Response(reads.active_stream_of_user(userId, caller=self.caller))
