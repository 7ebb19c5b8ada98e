"""Joining a stream in a given role over HTTP, for apps that know the role before they join."""

from typing import Any, ClassVar

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from common.refusals import Refusal
from common.views import SECRET, ApiViewSet
from edges import reads, services
from edges.permissions import refuse_unless_creator, refuse_unless_guest
from edges.serializers import JoinedSerializer, JoinSerializer
from livestreams.models import GuestStatus, Status
from livestreams.reads import stream_and_restriction
from livestreams.services import (
    AlreadyLive,
    Banned,
    GuestHasDeclined,
    NotTheCreator,
    NotTheGuest,
    Restriction,
    StreamMissing,
    StreamNotStartable,
    accept_guest,
    refuse_blocked,
    start_stream,
)


class JoiningViewSet(ApiViewSet):
    """Joining as creator and as guest."""

    refusals: ClassVar[dict[str, list[type[Refusal]]]] = {
        "join_as_creator": [StreamMissing, NotTheCreator, StreamNotStartable, AlreadyLive],
        "join_as_guest": [StreamMissing, NotTheGuest, Banned, GuestHasDeclined, services.StreamNotActive],
    }

    @extend_schema(
        operation_id="joinLiveStreamAsCreatorV1",
        tags=["Streams"],
        request=JoinSerializer,
        responses={200: JoinedSerializer},
    )
    def join_as_creator(self, request: Request) -> Response:
        """Join a stream of your own. A stream that is scheduled or preparing is started first.

        The answer is that of `join`. Only one stream of yours can be active at a time.
        """
        stream, restriction = self.stream_to_join()
        refuse_unless_creator(stream)
        if stream["status"] != Status.ACTIVE:
            stream, restriction = self.started(stream["id"])
        return self.admitted(stream, restriction)

    @extend_schema(
        operation_id="joinLiveStreamAsGuestV1",
        tags=["Streams"],
        request=JoinSerializer,
        responses={200: JoinedSerializer},
    )
    def join_as_guest(self, request: Request) -> Response:
        """Join an active stream as its guest. An invited guest accepts by joining.

        The answer is that of `join`. After declining you cannot join as guest (409) until the creator names you as
        guest again; `join` lets you watch.
        """
        stream, restriction = self.stream_to_join()
        refuse_unless_guest(self.user, stream)
        refuse_blocked(restriction)
        return self.admitted(self.accepted(stream), restriction)

    # --- shared ---------------------------------------------------------------------------------------

    def stream_to_join(self) -> tuple[dict[str, Any], Restriction | None]:
        stream_id = JoinSerializer.validated(self.request.data)["stream_id"]
        return stream_and_restriction(stream_id, caller=self.user.pk)

    def started(self, stream_id: str) -> tuple[dict[str, Any], Restriction | None]:
        """The stream after it has been started. Raises StreamNotStartable and AlreadyLive."""
        refused: StreamNotStartable | None = None
        try:
            start_stream(stream_id, by=self.user, now=timezone.now())
        except StreamNotStartable as error:
            refused = error
        stream, restriction = stream_and_restriction(stream_id, caller=self.user.pk)
        # Another device of the creator may have started it meanwhile.
        if stream["status"] != Status.ACTIVE:
            raise refused or StreamNotStartable(stream["status"])
        return stream, restriction

    def accepted(self, stream: dict[str, Any]) -> dict[str, Any]:
        """The stream after an invited guest has accepted. Raises GuestHasDeclined."""
        if stream["guestStatus"] == GuestStatus.DECLINED:
            raise GuestHasDeclined
        if (stream["status"], stream["guestStatus"]) != (Status.ACTIVE, GuestStatus.INVITED):
            return stream
        accept_guest(stream["id"], by=self.user, now=timezone.now())
        return stream_and_restriction(stream["id"], caller=self.user.pk)[0]

    def admitted(self, stream: dict[str, Any], restriction: Restriction | None) -> Response:
        known = {"status": stream["status"], "role": stream["role"], "restriction": restriction}
        token = services.admit(self.user, stream["id"], **known, now=timezone.now())
        return Response(reads.joined(stream, token), headers=SECRET)
