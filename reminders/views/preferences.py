"""Channels over HTTP: on which ways the caller is told."""

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from common.views import ApiViewSet
from reminders import services
from reminders.serializers import ChannelsSerializer, ChooseChannelsSerializer


class ChannelsViewSet(ApiViewSet):
    """On which ways you are told."""

    serializer_class = ChannelsSerializer

    @extend_schema(
        operation_id="readNotificationChannelsV1", tags=["Notifications"], responses={200: ChannelsSerializer}
    )
    def retrieve(self, request: Request) -> Response:
        """On which ways you are told: true for those that are on.

        `inbox` is the list of your notifications. Only the channels that this service has are there.
        """
        return Response(services.channels_of(self.user))

    @extend_schema(
        operation_id="updateNotificationChannelsV1",
        tags=["Notifications"],
        request=ChooseChannelsSerializer,
        responses={200: ChannelsSerializer},
    )
    def update(self, request: Request) -> Response:
        """Switch channels on or off; those that you do not name stay as they are. The inbox is always on.

        What is under way at this moment may still come.
        """
        wanted = ChooseChannelsSerializer.validated(request.data)
        return Response(services.choose_channels(by=self.user, now=timezone.now(), wanted=wanted))
