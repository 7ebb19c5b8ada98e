"""Streams over HTTP: creating, changing, starting, ending, cancelling and deleting them, and the lists."""

from typing import ClassVar

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.services import UserMissing
from common.pagination import PageQuery
from common.pictures import PictureSlotsFull
from common.refusals import Refusal
from common.schema import page_of
from common.storage import StorageFull, StorageUnavailable
from common.views import ApiViewSet
from livestreams import reads, services
from livestreams.permissions import refuse_unless_creator, refuse_unless_creator_or_guest
from livestreams.serializers import (
    CreateStreamFormSerializer,
    CreateStreamSerializer,
    EditStreamSerializer,
    GuestStreamsQuery,
    ListStreamsQuery,
    LiveStreamSerializer,
    UpcomingInMinutesQuery,
    UpcomingQuery,
    UpcomingStreamSerializer,
)
from livestreams.services import NotTheCreator, StreamMissing
from livestreams.thumbnails import stored_thumbnail


class LiveStreamViewSet(ApiViewSet):
    """Streams and lists of streams."""

    serializer_class = LiveStreamSerializer
    refusals: ClassVar[dict[str, list[type[Refusal]]]] = {
        "create": [PictureSlotsFull, StorageFull, StorageUnavailable],
        "retrieve": [StreamMissing, services.Banned],
        "partial_update": [StreamMissing, NotTheCreator, services.StreamNotEditable],
        "destroy": [StreamMissing, NotTheCreator, services.StreamNotDeletable],
        "start": [StreamMissing, NotTheCreator, services.StreamNotStartable, services.AlreadyLive],
        "end": [StreamMissing, NotTheCreator, services.StreamNotEndable],
        "cancel": [StreamMissing, services.NotTheCreatorOrGuest, services.StreamNotCancellable],
        "past_of_user": [UserMissing],
        "upcoming_of_user": [UserMissing],
        "upcoming_of_user_in_minutes": [UserMissing],
    }

    # --- one stream ---------------------------------------------------------------------------------

    @extend_schema(
        operation_id="createLiveStreamV1",
        summary="Create Live Stream",
        tags=["Live Streams"],
        request={
            "application/json": CreateStreamSerializer,
            "multipart/form-data": CreateStreamFormSerializer,
        },
        responses={201: LiveStreamSerializer},
    )
    def create(self, request: Request) -> Response:
        """Create a stream of your own: `scheduled` with a planned start, `preparing` without one."""
        values = CreateStreamFormSerializer.validated(request.data)
        with stored_thumbnail(values.pop("thumbnail", None)) as thumbnail:
            stream = services.create_stream(by=self.user, now=timezone.now(), thumbnail=thumbnail, **values)
        return Response(reads.new_stream(stream.pk, caller=self.user.pk), status=201)

    @extend_schema(
        operation_id="getLiveStreamByIdV1",
        summary="Get Live Stream",
        tags=["Live Streams"],
        responses={200: LiveStreamSerializer},
    )
    def retrieve(self, request: Request, id: str) -> Response:
        """Read one stream. If a ban blocks you from it, the refusal contains its reason and its end."""
        stream, restriction = reads.stream_and_restriction(id, caller=self.user.pk)
        services.refuse_blocked(restriction)
        return Response(stream)

    @extend_schema(
        operation_id="updateLiveStreamByIdV1",
        summary="Update Live Stream",
        tags=["Live Streams"],
        request=EditStreamSerializer,
        responses={200: LiveStreamSerializer},
    )
    def partial_update(self, request: Request, id: str) -> Response:
        """Change a stream that has not started. When its planned start moves, so do all reminders."""
        seen = reads.stream_to_change(id)
        refuse_unless_creator(self.user, seen)
        changes = EditStreamSerializer.validated(request.data)
        stream = services.edit_stream(id, by=self.user, now=timezone.now(), changes=changes)
        return Response(seen.changed(stream, caller=self.user.pk))

    @extend_schema(
        operation_id="deleteLiveStreamByIdV1",
        summary="Delete Live Stream (soft delete)",
        tags=["Live Streams"],
        responses={200: LiveStreamSerializer},
    )
    def destroy(self, request: Request, id: str) -> Response:
        """Delete a stream that is not active. Afterwards no operation finds it."""
        seen = reads.stream_to_change(id)
        refuse_unless_creator(self.user, seen)
        stream = services.delete_stream(id, by=self.user, now=timezone.now())
        return Response(seen.changed(stream, caller=self.user.pk))

    @extend_schema(
        operation_id="startLiveStreamByIdV1",
        summary="Start Live Stream",
        tags=["Live Streams"],
        request=None,
        responses={200: LiveStreamSerializer},
    )
    def start(self, request: Request, id: str) -> Response:
        """Start a stream: it becomes `active`. Only one stream of yours can be active at a time."""
        seen = reads.stream_to_change(id)
        refuse_unless_creator(self.user, seen)
        stream = services.start_stream(id, by=self.user, now=timezone.now())
        return Response(seen.changed(stream, caller=self.user.pk))

    @extend_schema(
        operation_id="endLiveStreamByIdV1",
        summary="End Live Stream",
        tags=["Live Streams"],
        request=None,
        responses={200: LiveStreamSerializer},
    )
    def end(self, request: Request, id: str) -> Response:
        """End an active stream."""
        seen = reads.stream_to_change(id)
        refuse_unless_creator(self.user, seen)
        stream = services.end_stream(id, by=self.user, now=timezone.now())
        return Response(seen.changed(stream, caller=self.user.pk))

    @extend_schema(
        operation_id="cancelLiveStreamByIdV1",
        summary="Cancel Live Stream",
        tags=["Live Streams"],
        request=None,
        responses={200: LiveStreamSerializer},
    )
    def cancel(self, request: Request, id: str) -> Response:
        """Cancel a stream that has not started; it becomes `cancelled_by_host` or `cancelled_by_guest`."""
        seen = reads.stream_to_change(id)
        refuse_unless_creator_or_guest(self.user, seen)
        stream = services.cancel_stream(id, by=self.user, now=timezone.now(), as_member=True)
        return Response(seen.changed(stream, caller=self.user.pk))

    # --- lists --------------------------------------------------------------------------------------

    @extend_schema(
        operation_id="listLiveStreamV1",
        summary="List live streams",
        tags=["Live Streams"],
        parameters=[ListStreamsQuery],
        responses={200: page_of(LiveStreamSerializer)},
    )
    def list(self, request: Request) -> Response:
        """All streams, by default the newest first. Streams with equal values of `sortBy` are ordered by id.

        A `search` without `sortBy`, in descending order, lists what is live first, then what begins soonest, then the
        rest, the newest first.
        """
        return reads.streams(self.query(ListStreamsQuery), caller=self.user.pk)

    @extend_schema(
        operation_id="getLiveStreamMyActiveStreamV1",
        summary="Get own active live stream",
        tags=["Live Streams"],
        responses={200: LiveStreamSerializer(allow_null=True)},
    )
    def my_active_stream(self, request: Request) -> Response:
        """Your active stream, or null; null for an anonymous caller."""
        return Response(reads.active_stream_of(self.caller) if self.caller else None)

    @extend_schema(
        operation_id="listLiveStreamMyPastStreamsV1",
        summary="List own past live streams",
        tags=["Live Streams"],
        parameters=[PageQuery],
        responses={200: page_of(LiveStreamSerializer)},
    )
    def my_past_streams(self, request: Request) -> Response:
        """Your ended streams, in descending order of their end."""
        return reads.past_streams(self.query(PageQuery), caller=self.user.pk, creator=self.user.pk)

    @extend_schema(
        operation_id="getLiveStreamUserByUseridPastStreamsV1",
        summary="List past live streams of a user",
        tags=["Live Streams"],
        parameters=[PageQuery],
        responses={200: page_of(LiveStreamSerializer)},
    )
    def past_of_user(self, request: Request, userId: str) -> Response:
        """The ended streams of a user, in descending order of their end."""
        page = reads.past_streams(self.query(PageQuery), caller=self.caller, creator=userId)
        return reads.page_of_user(userId, page)

    @extend_schema(
        operation_id="listLiveStreamGuestStreamsV1",
        summary="List live streams with the current user as guest",
        tags=["Live Streams"],
        parameters=[GuestStreamsQuery],
        responses={200: page_of(LiveStreamSerializer)},
    )
    def guest_streams(self, request: Request) -> Response:
        """Streams that name you as guest, whatever your answer; by default the newest first."""
        return reads.guest_streams(self.query(GuestStreamsQuery), caller=self.user.pk)

    @extend_schema(
        operation_id="listLiveStreamUpcomingV1",
        summary="List upcoming live streams",
        tags=["Live Streams"],
        parameters=[UpcomingQuery],
        responses={200: page_of(UpcomingStreamSerializer)},
    )
    def upcoming(self, request: Request) -> Response:
        """Active and preparing streams, and those scheduled inside the window, earliest start first."""
        return self.upcoming_page(UpcomingQuery)

    @extend_schema(
        operation_id="getLiveStreamUserByUseridUpcomingLiveStreamsV1",
        summary="List upcoming live streams of a user (hours)",
        tags=["Live Streams"],
        parameters=[UpcomingQuery],
        responses={200: page_of(UpcomingStreamSerializer)},
    )
    def upcoming_of_user(self, request: Request, userId: str) -> Response:
        """Upcoming streams of a user as creator or accepted guest, earliest start first; window in hours."""
        return reads.page_of_user(userId, self.upcoming_page(UpcomingQuery, member=userId))

    @extend_schema(
        operation_id="getLiveStreamUserByUseridUpcomingLiveStreamsV2",
        summary="List upcoming live streams of a user (minutes)",
        tags=["Live Streams"],
        parameters=[UpcomingInMinutesQuery],
        responses={200: page_of(UpcomingStreamSerializer)},
    )
    def upcoming_of_user_in_minutes(self, request: Request, userId: str) -> Response:
        """Upcoming streams of a user as creator or accepted guest, earliest start first; window in minutes."""
        return reads.page_of_user(userId, self.upcoming_page(UpcomingInMinutesQuery, member=userId))

    def lock_object(self, **ids: str) -> None:
        services.take_stream_lock(ids["id"])

    # --- shared ---------------------------------------------------------------------------------------

    def upcoming_page(
        self, kind: type[UpcomingQuery | UpcomingInMinutesQuery], *, member: str | None = None
    ) -> Response:
        now = timezone.now()
        query = kind.with_window(self.query(kind), now)
        return reads.upcoming_streams(query, caller=self.caller, now=now, member=member)
