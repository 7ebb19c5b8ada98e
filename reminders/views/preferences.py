"""Notification channels of the caller over HTTP."""

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from common.views import ApiViewSet
from reminders import services
from reminders.serializers import ChannelsSerializer, ChooseChannelsSerializer


class ChannelsViewSet(ApiViewSet):
    """Notification channels of the caller."""

    serializer_class = ChannelsSerializer

    def lock_object(self, **ids: str) -> None:
        services.lock_channels(by=self.user)

    @extend_schema(
        operation_id="getNotificationsChannelsV1",
        summary="Get notification channels",
        tags=["Notifications"],
        responses={200: ChannelsSerializer},
    )
    def retrieve(self, request: Request) -> Response:
        """The channels on which you are notified: true for those that are on.

        `inbox` is the list of your notifications. The answer has only the channels that this service offers.
        """
        return Response(services.channels_of(self.user))

    @extend_schema(
        operation_id="updateNotificationsChannelsV1",
        summary="Update notification channels",
        tags=["Notifications"],
        request=ChooseChannelsSerializer,
        responses={200: ChannelsSerializer},
    )
    def update(self, request: Request) -> Response:
        """Switch channels on or off. Channels that are not in the body do not change. The inbox is always on.

        Notifications that are being sent at this moment may still arrive.
        """
        wanted = ChooseChannelsSerializer.validated(request.data)
        return Response(services.choose_channels(by=self.user, now=timezone.now(), wanted=wanted))
