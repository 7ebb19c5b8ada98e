"""Push tokens of the caller's devices over HTTP."""

from typing import ClassVar, cast

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.reads import session_of_claims
from common.refusals import Refusal
from common.views import ApiViewSet
from reminders import services
from reminders.serializers import DeviceTokenSerializer, RegisterDeviceSerializer


class DeviceTokenViewSet(ApiViewSet):
    """Devices of the caller on which notifications are shown."""

    serializer_class = DeviceTokenSerializer
    refusals: ClassVar[dict[str, list[type[Refusal]]]] = {"destroy": [services.DeviceTokenMissing]}

    @extend_schema(
        operation_id="createNotificationsDeviceTokenV1",
        summary="Register a device token",
        tags=["Notifications"],
        request=RegisterDeviceSerializer,
        responses={200: DeviceTokenSerializer},
    )
    def create(self, request: Request) -> Response:
        """Register the push token of a device, or renew it; do this at each start of the app.

        The push gateway of the platform gets the token with your notifications. A token that another user had is
        yours from now on. A user has at most 10: the one registered longest ago makes room. The token ends with the
        session of this call, that is when you log out or revoke the refresh token.
        """
        values = RegisterDeviceSerializer.validated(request.data)
        values["session_id"] = session_of_claims(cast("dict[str, str]", request.auth))
        device = services.register_device(by=self.user, now=timezone.now(), **values)
        return Response(DeviceTokenSerializer.wire_of(device))

    @extend_schema(
        operation_id="deleteNotificationsDeviceTokenByIdV1",
        summary="Remove a device token",
        tags=["Notifications"],
        responses={200: DeviceTokenSerializer},
    )
    def destroy(self, request: Request, id: str) -> Response:
        """Remove a push token of yours, by the `id` with which its registration was answered."""
        return Response(DeviceTokenSerializer.wire_of(services.remove_device(id, by=self.user, now=timezone.now())))
