"""The guest's answer over HTTP: accepting, and declining or leaving."""

from typing import Any, ClassVar

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from common.refusals import Refusal
from common.views import ApiViewSet
from livestreams import services
from livestreams.serializers import LiveStreamSerializer
from livestreams.services import StreamMissing
from livestreams.views.streams import ANY_STREAM, seen_stream


class GuestViewSet(ApiViewSet):
    """What who is named as guest answers."""

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
        operation_id="acceptLiveStreamGuestByIdV1",
        tags=["Streams"],
        request=None,
        responses={200: LiveStreamSerializer},
    )
    def accept(self, request: Request, id: str) -> Response:
        """Accept that you were named as guest; joining the active stream does so, too.

        From then on the stream is in your public lists, your upcoming streams and your calendar. Accepting again
        changes nothing and answers 200. Who has declined cannot accept any more (409) until the creator names them
        as guest again.
        """
        services.refuse_blocked(self.restriction_of_guest(id))
        services.accept_guest(id, by=self.user, now=timezone.now())
        return Response(self.written(id))

    @extend_schema(
        operation_id="declineLiveStreamGuestByIdV1",
        tags=["Streams"],
        request=None,
        responses={200: LiveStreamSerializer},
    )
    def decline(self, request: Request, id: str) -> Response:
        """Decline to be the guest, or leave: before you have accepted and after, also while the stream is active.

        You stay in `guests`, so that the creator sees your answer in `guestStatus` and can name another guest, but you
        are no broadcaster any more: your `role` is `audience`. Declining again changes nothing and answers 200. A join
        token that you hold says `guest` until it lapses.
        """
        self.restriction_of_guest(id)
        services.decline_guest(id, by=self.user, now=timezone.now())
        return Response(self.written(id))

    # --- steps ----------------------------------------------------------------------------------------

    def restriction_of_guest(self, stream_id: str) -> Any:
        """What restricts the caller on the stream. Raises StreamMissing, and NotTheGuest for everybody else."""
        stream, restriction = seen_stream(stream_id, caller=self.user.pk)
        if self.user.pk not in [guest["_id"] for guest in stream["guests"]]:
            raise services.NotTheGuest
        return restriction

    def written(self, stream_id: str) -> dict[str, Any]:
        """The stream as this call has left it; somebody may have deleted it since."""
        (row,) = ANY_STREAM.rows(id=stream_id)
        return LiveStreamSerializer.to_wire(row, self.user.pk)
