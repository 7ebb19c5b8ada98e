"""Active streams, the creators with most viewers, and what the caller broadcasted and watched, over HTTP."""

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from common.pagination import PageQuery
from common.schema import page_of
from common.views import ApiViewSet
from edges import reads
from edges.serializers import (
    BroadcastedStreamSerializer,
    CatchStreamerSerializer,
    LimitQuery,
    LiveNowQuery,
    LiveNowSerializer,
    MostWatchedCreatorSerializer,
    WatchedStreamSerializer,
)


class PublicDiscoveryViewSet(ApiViewSet):
    """Lists that need no login: a token that is sent is not read."""

    authentication_classes = ()
    permission_classes = ()

    @extend_schema(
        operation_id="listLiveStreamFeaturedV1",
        summary="List featured live streams",
        tags=["Live Streams"],
        responses={200: LiveNowSerializer(many=True)},
    )
    def featured(self, request: Request) -> Response:
        """The active streams with most viewers, at most ten. `role` is null.

        The numbers are those of `whats-live-now`.
        """
        return Response(reads.featured(now=timezone.now()))

    @extend_schema(
        operation_id="listLiveStreamCatchStreamersV1",
        summary="List creators who are live now",
        tags=["Live Streams"],
        parameters=[LimitQuery],
        responses={200: CatchStreamerSerializer(many=True)},
    )
    def catch_streamers(self, request: Request) -> Response:
        """The creators of the active streams that started last, each with the stream, whose `role` is null."""
        return Response(reads.catch_streamers(**self.query(LimitQuery)))


class DiscoveryViewSet(ApiViewSet):
    """Lists of active streams and of creators."""

    @extend_schema(
        operation_id="listLiveStreamWhatsLiveNowV1",
        summary="List what is live now",
        tags=["Live Streams"],
        parameters=[LiveNowQuery],
        responses={200: page_of(LiveNowSerializer)},
    )
    def whats_live_now(self, request: Request) -> Response:
        """Active streams with their numbers of viewers: those with most viewers first, or those that started last.

        The numbers are five seconds old, or less. In an installation so large that counting all viewers takes longer
        than half a second, they may be ten times as old as that takes. Streams with equal numbers are ordered by id. A
        stream whose number changes moves in the order; for a walk that misses none, sort by `newest`.
        """
        return reads.whats_live_now(self.query(LiveNowQuery), caller=self.user.pk, now=timezone.now())

    @extend_schema(
        operation_id="listLiveStreamMostWatchedCreatorsV1",
        summary="List most watched creators",
        tags=["Live Streams"],
        parameters=[LimitQuery],
        responses={200: MostWatchedCreatorSerializer(many=True)},
    )
    def most_watched_creators(self, request: Request) -> Response:
        """The creators whose streams had most different viewers in the last 30 days.

        The numbers are ten minutes old, or less. In an installation so large that counting takes longer than a minute,
        they may be ten times as old as that takes; that viewers leave the 30 days is seen within a day.
        `isFollowing` is null, because Kumanda does not know who follows whom.
        """
        return Response(reads.most_watched_creators(**self.query(LimitQuery), now=timezone.now()))


class HistoryViewSet(ApiViewSet):
    """What the caller broadcasted and watched."""

    @extend_schema(
        operation_id="listLiveStreamMyBroadcastedStreamsV1",
        summary="List own broadcasted live streams",
        tags=["Live Streams"],
        parameters=[PageQuery],
        responses={200: page_of(BroadcastedStreamSerializer)},
    )
    def my_broadcasted_streams(self, request: Request) -> Response:
        """Ended streams in which you were the creator or the guest, in descending order of their end.

        `role` is `host` or `guest`. As guest you accepted, or joined as guest and left later.
        """
        return reads.broadcasted_streams(self.query(PageQuery), caller=self.user.pk)

    @extend_schema(
        operation_id="listLiveStreamMyWatchedStreamsV1",
        summary="List watched live streams",
        tags=["Live Streams"],
        parameters=[PageQuery],
        responses={200: page_of(WatchedStreamSerializer)},
    )
    def my_watched_streams(self, request: Request) -> Response:
        """Ended streams that you joined as audience, each once, in descending order of your first join.

        `role` is `audience`.
        """
        return reads.watched_streams(self.query(PageQuery), caller=self.user.pk)
