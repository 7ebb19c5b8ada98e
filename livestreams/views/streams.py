"""The life of a stream over HTTP: each action asks one question or makes one call to the services."""

from typing import Any, ClassVar

from django.db import models
from django.db.models import F, OuterRef, Value
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import User
from accounts.services import UserMissing
from common.pagination import Listing, Order, PageQuery
from common.pictures import PictureSlotsFull
from common.queries import ID, TEXT, TIME, Param, Question
from common.refusals import Refusal
from common.schema import page_of
from common.views import ApiViewSet
from livestreams import services
from livestreams.models import BEGIN, LiveStream, Status
from livestreams.permissions import IsCreator, IsCreatorOrGuest, NotTheCreator
from livestreams.reads import any_stream, seen_stream
from livestreams.serializers import (
    SORTABLE,
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
from livestreams.services import StreamMissing
from livestreams.thumbnails import stored_thumbnail

_STARTED = (Status.ACTIVE, Status.ENDED)
_NOT_STARTED = tuple(set(Status) - set(_STARTED))
# The table's constraints say which states have which times.
_PARTS: dict[str, dict[str, Any]] = {
    "started_at": {"present": {"status": _STARTED}, "missing": {"status": _NOT_STARTED}},
    "ended_at": {"present": {"status": (Status.ENDED,)}, "missing": {"status": tuple(set(Status) - {Status.ENDED})}},
    "planned_start_at": {"missing": {"status": tuple(set(Status) - {Status.SCHEDULED})}},
}


def _order(column: str) -> Order:
    return Order(F(column), is_nullable=LiveStream._meta.get_field(column).null, **_PARTS.get(column, {}))


ACTIVE_STREAM = Question(
    lambda: LiveStream.objects.filter(creator=Param("creator", ID), status=Status.ACTIVE).values_list(
        *LiveStreamSerializer.columns()
    )
)
AT_THE_DOOR = Question(lambda: LiveStream.objects.filter(pk=Param("id", ID)).only("creator", "guest", "guest_status"))
USER_EXISTS = Question(lambda: User.objects.filter(pk=Param("id", ID)).values_list("pk"))


def _sorted_streams(name: str) -> Listing:
    values = {"creator": ID, "guest": ID, "interest": TEXT, "title": TEXT, "planned_from": TIME, "planned_to": TIME}
    return Listing(
        name,
        LiveStreamSerializer,
        LiveStream.objects.matching,
        values=values,
        orders={name: _order(column) for name, column in SORTABLE.items()},
    )


STREAMS = _sorted_streams("streams")
GUESTED = _sorted_streams("guest-streams")
PAST = Listing(
    "past-streams",
    LiveStreamSerializer,
    LiveStream.objects.matching,
    values={"creator": ID},
    orders={"endedAt": Order(F("ended_at"))},
)


def _upcoming(*, earliest: Any, latest: Any, member: Any = None, **_others: Any) -> models.QuerySet[Any]:
    return LiveStream.objects.upcoming(earliest=earliest, latest=latest, member=member)


def _with_reminder(*, now: Any, viewer: Any = None, **_others: Any) -> models.QuerySet[Any]:
    if viewer is None:
        active: Any = Value(None, output_field=models.BooleanField())
    else:
        active = services.reminder_waits(stream=OuterRef("pk"), user=viewer, now=now)
    return LiveStream.objects.annotate(reminder_active=active)


UPCOMING = Listing(
    "upcoming-streams",
    UpcomingStreamSerializer,
    _upcoming,
    values={"earliest": TIME, "latest": TIME, "now": TIME, "member": ID, "viewer": ID},
    orders={"begin": Order(BEGIN)},
    detail=_with_reminder,
)


class LiveStreamViewSet(ApiViewSet):
    """The life of a stream."""

    serializer_class = LiveStreamSerializer
    object_permissions: ClassVar[dict[str, list[Any]]] = {
        "partial_update": [IsCreator],
        "destroy": [IsCreator],
        "start": [IsCreator],
        "end": [IsCreator],
        "cancel": [IsCreatorOrGuest],
    }
    refusals: ClassVar[dict[str, list[type[Refusal]]]] = {
        "create": [PictureSlotsFull],
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
        tags=["Streams"],
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
        return Response(self.written(stream.pk), status=201)

    @extend_schema(operation_id="readLiveStreamByIdV1", tags=["Streams"], responses={200: LiveStreamSerializer})
    def retrieve(self, request: Request, id: str) -> Response:
        """Read one stream. Whom a ban keeps from it learns why and until when."""
        stream, restriction = seen_stream(id, caller=self.user.pk)
        services.refuse_blocked(restriction)
        return Response(stream)

    @extend_schema(
        operation_id="updateLiveStreamByIdV1",
        tags=["Streams"],
        request=EditStreamSerializer,
        responses={200: LiveStreamSerializer},
    )
    def partial_update(self, request: Request, id: str) -> Response:
        """Change a stream that has not started. Moving its planned start moves every reminder with it."""
        self.get_object()
        changes = EditStreamSerializer.validated(request.data)
        services.edit_stream(id, by=self.user, now=timezone.now(), changes=changes)
        return Response(self.written(id))

    @extend_schema(operation_id="deleteLiveStreamByIdV1", tags=["Streams"], responses={200: LiveStreamSerializer})
    def destroy(self, request: Request, id: str) -> Response:
        """Delete a stream that is not active; it is gone from everywhere afterwards."""
        self.get_object()
        services.delete_stream(id, by=self.user, now=timezone.now())
        return Response(self.written(id))

    @extend_schema(
        operation_id="startLiveStreamByIdV1",
        tags=["Streams"],
        request=None,
        responses={200: LiveStreamSerializer},
    )
    def start(self, request: Request, id: str) -> Response:
        """Go live. One stream of yours can be active at a time."""
        self.get_object()
        services.start_stream(id, by=self.user, now=timezone.now())
        return Response(self.written(id))

    @extend_schema(
        operation_id="endLiveStreamByIdV1",
        tags=["Streams"],
        request=None,
        responses={200: LiveStreamSerializer},
    )
    def end(self, request: Request, id: str) -> Response:
        """End an active stream."""
        self.get_object()
        services.end_stream(id, by=self.user, now=timezone.now())
        return Response(self.written(id))

    @extend_schema(
        operation_id="cancelLiveStreamByIdV1",
        tags=["Streams"],
        request=None,
        responses={200: LiveStreamSerializer},
    )
    def cancel(self, request: Request, id: str) -> Response:
        """Cancel a stream that has not started; it becomes `cancelled_by_host` or `cancelled_by_guest`."""
        self.get_object()
        services.cancel_stream(id, by=self.user, now=timezone.now(), as_member=True)
        return Response(self.written(id))

    # --- many ---------------------------------------------------------------------------------------

    @extend_schema(
        operation_id="listLiveStreamsV1",
        tags=["Streams"],
        parameters=[ListStreamsQuery],
        responses={200: page_of(LiveStreamSerializer)},
    )
    def list(self, request: Request) -> Response:
        """All streams, newest first unless `sortBy` and `sortOrder` say otherwise; equal ones stand by id."""
        query = self.query(ListStreamsQuery)
        return STREAMS.page(query, caller=self.user.pk)

    @extend_schema(
        operation_id="readMyActiveStreamV1",
        tags=["Streams"],
        responses={200: LiveStreamSerializer(allow_null=True)},
    )
    def my_active_stream(self, request: Request) -> Response:
        """Your active stream, or null."""
        rows = ACTIVE_STREAM.rows(creator=self.user.pk)
        return Response(LiveStreamSerializer.to_wire(rows[0], self.caller) if rows else None)

    @extend_schema(
        operation_id="listMyPastStreamsV1",
        tags=["Streams"],
        parameters=[PageQuery],
        responses={200: page_of(LiveStreamSerializer)},
    )
    def my_past_streams(self, request: Request) -> Response:
        """Your ended streams, the one that ended last first."""
        return self.past(self.user.pk)

    @extend_schema(
        operation_id="listPastStreamsByUserIdV1",
        tags=["Streams"],
        parameters=[PageQuery],
        responses={200: page_of(LiveStreamSerializer)},
    )
    def past_of_user(self, request: Request, userId: str) -> Response:
        """A user's ended streams, the one that ended last first."""
        return self.of_user(userId, self.past(userId))

    @extend_schema(
        operation_id="listGuestStreamsV1",
        tags=["Streams"],
        parameters=[GuestStreamsQuery],
        responses={200: page_of(LiveStreamSerializer)},
    )
    def guest_streams(self, request: Request) -> Response:
        """Streams in which you are named as guest, whatever your answer, newest first unless asked otherwise."""
        query = self.query(GuestStreamsQuery)
        return GUESTED.page(query, caller=self.user.pk, guest=self.user.pk)

    @extend_schema(
        operation_id="listUpcomingStreamsV1",
        tags=["Streams"],
        parameters=[UpcomingQuery],
        responses={200: page_of(UpcomingStreamSerializer)},
    )
    def upcoming(self, request: Request) -> Response:
        """Active and preparing streams, and the scheduled ones whose start is near; in the order of their begin."""
        return self.near(UpcomingQuery)

    @extend_schema(
        operation_id="listUpcomingStreamsByUserIdV1",
        tags=["Streams"],
        parameters=[UpcomingQuery],
        responses={200: page_of(UpcomingStreamSerializer)},
    )
    def upcoming_of_user(self, request: Request, userId: str) -> Response:
        """What is coming up with a user as creator or as accepted guest, in the order of its begin."""
        return self.of_user(userId, self.near(UpcomingQuery, member=userId))

    @extend_schema(
        operation_id="listUpcomingStreamsByUserIdV2",
        tags=["Streams"],
        parameters=[UpcomingInMinutesQuery],
        responses={200: page_of(UpcomingStreamSerializer)},
    )
    def upcoming_of_user_in_minutes(self, request: Request, userId: str) -> Response:
        """What is coming up with a user as creator or as accepted guest, by its begin; the window in minutes."""
        return self.of_user(userId, self.near(UpcomingInMinutesQuery, member=userId))

    # --- steps ----------------------------------------------------------------------------------------

    def get_object(self) -> LiveStream:
        """What permissions need to know of the stream; raises StreamMissing and the permissions' refusals."""
        stream: LiveStream | None = AT_THE_DOOR.instance(id=self.kwargs["id"])
        if stream is None:
            raise StreamMissing
        for permission in self.object_permissions[self.action]:
            permission().has_object_permission(self.request, self, stream)
        return stream

    def written(self, stream_id: str) -> dict[str, Any]:
        """The stream that this call has changed, as it is now; somebody may have deleted it since."""
        return any_stream(stream_id, caller=self.caller)

    def past(self, creator: str) -> Response:
        return PAST.page(self.query(PageQuery), caller=self.caller, creator=creator, status=(Status.ENDED,))

    def near(self, kind: type[UpcomingQuery | UpcomingInMinutesQuery], member: str | None = None) -> Response:
        now = timezone.now()
        query, window = kind.window(self.query(kind), now)
        return UPCOMING.page(query, caller=self.caller, viewer=self.caller, member=member, now=now, **window)

    def of_user(self, user_id: str, page: Response) -> Response:
        """The page; UserMissing instead of an empty one when there is no such user."""
        if not page.data["list"] and not USER_EXISTS.rows(id=user_id):
            raise UserMissing
        return page
