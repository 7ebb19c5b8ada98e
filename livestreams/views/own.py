"""The caller's own streams over HTTP: upcoming and deleted ones, and restoring."""

from typing import ClassVar

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from common.pagination import PageQuery
from common.refusals import Refusal
from common.schema import page_of
from common.views import ApiViewSet
from livestreams import reads, services
from livestreams.permissions import refuse_unless_creator
from livestreams.serializers import DeletedStreamSerializer, LiveStreamSerializer, UpcomingStreamSerializer


class OwnStreamsViewSet(ApiViewSet):
    """Lists of the caller's own streams, and restoring a deleted one."""

    refusals: ClassVar[dict[str, list[type[Refusal]]]] = {
        "restore": [
            services.StreamMissing,
            services.NotTheCreator,
            services.DeletedByOthers,
            services.StreamNotDeleted,
        ],
    }

    @extend_schema(
        operation_id="listLiveStreamMyUpcomingV1",
        summary="List own upcoming live streams",
        tags=["Live Streams"],
        parameters=[PageQuery],
        responses={200: page_of(UpcomingStreamSerializer)},
    )
    def my_upcoming(self, request: Request) -> Response:
        """Your scheduled, preparing and active streams as creator or accepted guest, earliest start first.

        Invitations that you have not accepted are in `guest-streams`.
        """
        return reads.my_upcoming_streams(self.query(PageQuery), caller=self.user.pk, now=timezone.now())

    @extend_schema(
        operation_id="listLiveStreamDeletedV1",
        summary="List own deleted live streams",
        tags=["Live Streams"],
        parameters=[PageQuery],
        responses={200: page_of(DeletedStreamSerializer)},
    )
    def deleted(self, request: Request) -> Response:
        """Your deleted streams that are still kept, in descending order of their deletion.

        `purgeAt` is when a stream is removed for good. Those with your id in `deletedBy` you can restore until then.
        """
        return reads.deleted_streams(self.query(PageQuery), caller=self.user.pk, now=timezone.now())

    @extend_schema(
        operation_id="restoreLiveStreamByIdV1",
        summary="Restore a deleted live stream",
        tags=["Live Streams"],
        request=None,
        responses={200: LiveStreamSerializer},
    )
    def restore(self, request: Request, id: str) -> Response:
        """Restore a stream that you deleted, before its `purgeAt`. Its status is the one before the deletion.

        Bans, reminders and notifications of the stream are there again. Reminders whose moment has passed meanwhile
        are not sent. A scheduled stream whose planned start has long passed expires.
        """
        seen = reads.stream_to_restore(id, caller=self.user.pk)
        refuse_unless_creator(self.user, seen)
        stream = services.restore_own_stream(id, by=self.user, now=timezone.now())
        return Response(seen.changed(stream, caller=self.user.pk))
