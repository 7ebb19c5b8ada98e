"""The guest's answer over HTTP."""

from typing import ClassVar

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from common.refusals import Refusal
from common.views import ApiViewSet
from livestreams import reads, services
from livestreams.permissions import refuse_unless_guest
from livestreams.serializers import LiveStreamSerializer
from livestreams.services import StreamMissing


class GuestViewSet(ApiViewSet):
    """Accepting and declining to be the guest of a stream."""

    serializer_class = LiveStreamSerializer
    refusals: ClassVar[dict[str, list[type[Refusal]]]] = {
        "accept": [
            StreamMissing,
            services.NotTheGuest,
            services.Banned,
            services.GuestAnswerTooLate,
            services.GuestHasDeclined,
        ],
        "decline": [StreamMissing, services.NotTheGuest, services.GuestAnswerTooLate],
    }

    @extend_schema(
        operation_id="acceptLiveStreamByIdGuestV1",
        summary="Accept a guest invitation",
        tags=["Live Streams"],
        request=None,
        responses={200: LiveStreamSerializer},
    )
    def accept(self, request: Request, id: str) -> Response:
        """Accept to be the guest of a stream. Joining the active stream accepts, too.

        From then on the stream is in your public lists, your upcoming streams and your calendar. Accepting again
        changes nothing and answers 200. After declining you cannot accept (409) until the creator names you as guest
        again.
        """
        stream, restriction = reads.stream_and_restriction(id, caller=self.user.pk)
        refuse_unless_guest(self.user, stream)
        services.refuse_blocked(restriction)
        services.accept_guest(id, by=self.user, now=timezone.now())
        return Response(reads.new_stream(id, caller=self.user.pk))

    @extend_schema(
        operation_id="declineLiveStreamByIdGuestV1",
        summary="Decline a guest invitation",
        tags=["Live Streams"],
        request=None,
        responses={200: LiveStreamSerializer},
    )
    def decline(self, request: Request, id: str) -> Response:
        """Decline to be the guest, before or after you have accepted, also while the stream is active.

        You stay in `guests`, so that the creator sees your answer in `guestStatus` and can name another guest. You are
        no longer in `broadcasters`, and your `role` is `audience`. Declining again changes nothing and answers 200. A
        join token that you already have says `guest` until it expires.
        """
        stream, _ = reads.stream_and_restriction(id, caller=self.user.pk)
        refuse_unless_guest(self.user, stream)
        services.decline_guest(id, by=self.user, now=timezone.now())
        return Response(reads.new_stream(id, caller=self.user.pk))
