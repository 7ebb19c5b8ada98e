"""Feedback about a stream over HTTP."""

from typing import ClassVar

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from common.refusals import Refusal
from common.views import ApiViewSet
from edges import reads, services
from edges.permissions import NotMemberOrModerator, refuse_unless_broadcaster_or_moderator
from edges.serializers import FeedbackSerializer, FeedbackSummarySerializer, GiveFeedbackSerializer, LimitQuery
from livestreams.services import Banned, StreamMissing, take_stream_lock


class FeedbackViewSet(ApiViewSet):
    """The feedback of viewers about a stream."""

    serializer_class = FeedbackSerializer
    refusals: ClassVar[dict[str, list[type[Refusal]]]] = {
        "create": [StreamMissing, Banned, services.NotWatched, services.StreamNotEnded, services.FeedbackGiven],
        "retrieve": [StreamMissing, Banned, NotMemberOrModerator],
    }

    def lock_object(self, **ids: str) -> None:
        take_stream_lock(ids["id"])

    @extend_schema(
        operation_id="createLiveStreamByIdFeedbackV1",
        summary="Give feedback about a live stream",
        tags=["Live Streams"],
        request=GiveFeedbackSerializer,
        responses={201: FeedbackSerializer},
    )
    def create(self, request: Request, id: str) -> Response:
        """Rate a stream that you joined as audience, once, after it has ended.

        Its creator, its guest and moderators see the rating and the comment, and not who gave them.
        """
        now = timezone.now()
        with self.refused_first(lambda: services.refuse_feedback(id, by=self.user, now=now)):
            values = GiveFeedbackSerializer.validated(request.data)
        feedback = services.give_feedback(id, by=self.user, now=now, **values)
        return Response(reads.new_feedback(feedback), status=201)

    @extend_schema(
        operation_id="getLiveStreamByIdFeedbackV1",
        summary="Get the feedback about a live stream",
        tags=["Live Streams"],
        parameters=[LimitQuery],
        responses={200: FeedbackSummarySerializer},
    )
    def retrieve(self, request: Request, id: str) -> Response:
        """What viewers thought of the stream, for its creator, its guest and moderators.

        `comments` are the newest ones. Nobody learns who wrote them.
        """
        limit, now = self.query(LimitQuery)["limit"], timezone.now()
        refuse_unless_broadcaster_or_moderator(self.user, reads.broadcasters(id, caller=self.user.pk, now=now))
        return Response(reads.feedback_of(id, limit=limit))
