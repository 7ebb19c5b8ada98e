"""Joining a stream over HTTP, in the role that the caller has or in one that the app knows before, and leaving it."""

from contextlib import suppress
from typing import Any, ClassVar

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from common.refusals import Refusal
from common.views import SECRET, ApiViewSet
from edges import reads, services
from edges.permissions import refuse_unless_creator, refuse_unless_guest
from edges.serializers import JoinedSerializer, JoinSerializer, LeftSerializer
from livestreams.models import GuestStatus, LiveStream, Status
from livestreams.reads import stream_and_restriction
from livestreams.services import (
    AlreadyLive,
    Banned,
    GuestAnswerTooLate,
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
    """Joining and leaving a stream."""

    refusals: ClassVar[dict[str, list[type[Refusal]]]] = {
        "join": [StreamMissing, Banned, services.StreamNotActive],
        "join_as_creator": [StreamMissing, NotTheCreator, StreamNotStartable, AlreadyLive],
        "join_as_guest": [StreamMissing, NotTheGuest, Banned, GuestHasDeclined, services.StreamNotActive],
        "leave": [StreamMissing, services.NotJoined],
    }

    @extend_schema(
        operation_id="joinLiveStreamV1",
        summary="Join Live Stream",
        tags=["Live Streams"],
        request=JoinSerializer,
        responses={200: JoinedSerializer},
    )
    def join(self, request: Request) -> Response:
        """Join an active stream. Media edges and chat servers admit you with the token.

        The token is a short-lived JWT (ES256) with `aud` `media`, `sub` (you), `stream`, `role`, `grants` (`watch`,
        and `chat` unless a ban forbids it) and `jti`. The public keys are at `/.well-known/jwks.json`, so an edge
        verifies it offline. Join again before it expires; a new ban is applied then at the latest. An invited guest
        accepts by joining; one who has declined joins as audience.
        """
        return self.admitted(*self.after_accepting(*self.stream_to_join()))

    @extend_schema(
        operation_id="joinLiveStreamAsCreatorV1",
        summary="Join Live Stream as creator",
        tags=["Live Streams"],
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
        summary="Join Live Stream as guest",
        tags=["Live Streams"],
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
        stream, restriction = self.after_accepting(stream, restriction)
        if stream["guestStatus"] == GuestStatus.DECLINED:
            raise GuestHasDeclined
        return self.admitted(stream, restriction)

    @extend_schema(
        operation_id="leaveLiveStreamByIdV1",
        summary="Leave Live Stream",
        tags=["Live Streams"],
        request=None,
        responses={200: LeftSerializer},
    )
    def leave(self, request: Request, id: str) -> Response:
        """Leave a stream that you joined: you are no viewer any more, at once.

        Lists that are sorted by viewers follow some seconds later. Leaving again changes nothing, and you may join
        again. Banned users may leave. A join token stays valid until it expires, so disconnect from the media edge,
        too. A guest who leaves remains the guest; to give that up, decline.
        """
        left_at = services.leave(id, by=self.user, now=timezone.now())
        return Response(reads.left(id, left_at))

    # --- shared ---------------------------------------------------------------------------------------

    def stream_to_join(self) -> tuple[dict[str, Any], Restriction | None]:
        stream_id = JoinSerializer.validated(self.request.data)["stream_id"]
        return stream_and_restriction(stream_id, caller=self.user.pk)

    def after_accepting(
        self, stream: dict[str, Any], restriction: Restriction | None
    ) -> tuple[dict[str, Any], Restriction | None]:
        """The stream and what restricts the caller on it, after an invited guest has accepted by joining."""
        if not _accepts_by_joining(stream):
            return stream, restriction
        refuse_blocked(restriction)
        # The guest may decline on another device, or the stream end, between the read and the lock. Then the second
        # read shows it.
        with suppress(GuestHasDeclined, GuestAnswerTooLate):
            accept_guest(stream["id"], by=self.user, now=timezone.now())
        return stream_and_restriction(stream["id"], caller=self.user.pk)

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

    def admitted(self, stream: dict[str, Any], restriction: Restriction | None) -> Response:
        known = {"status": stream["status"], "role": stream["role"], "restriction": restriction}
        token = services.admit(self.user, stream["id"], **known, now=timezone.now())
        return Response(reads.joined(stream, token), headers=SECRET)


def _accepts_by_joining(stream: dict[str, Any]) -> bool:
    """Whether the caller for whom `stream` is written is its invited guest, and the stream is active."""
    return (stream["status"], stream["role"], stream["guestStatus"]) == (
        Status.ACTIVE,
        LiveStream.Role.GUEST,
        GuestStatus.INVITED,
    )
