"""Reminders over HTTP."""

from typing import ClassVar

from django.utils import timezone
from django.utils.translation import get_language
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from common.pagination import PageQuery
from common.refusals import Refusal
from common.schema import page_of
from common.views import ApiViewSet
from edges.reads import refuse_unless_readable
from livestreams.services import Banned, StreamMissing
from reminders import reads, services
from reminders.serializers import MyReminderSerializer, ReminderSerializer, SetReminderSerializer, reminded_to_wire


class ReminderViewSet(ApiViewSet):
    """Reminders of the caller: a notification before a stream starts, or when it starts."""

    serializer_class = ReminderSerializer
    refusals: ClassVar[dict[str, list[type[Refusal]]]] = {
        "create": [
            services.MomentPassed,
            StreamMissing,
            Banned,
            services.StreamNotAwaited,
            services.StreamWithoutPlan,
        ],
        "retrieve": [StreamMissing, Banned, services.ReminderMissing],
        "destroy": [StreamMissing, Banned, services.ReminderMissing],
    }

    def lock_object(self, **ids: str) -> None:
        services.lock_reminder(ids["id"], by=self.user)

    @extend_schema(
        operation_id="createLiveStreamByIdReminderV1",
        summary="Set live stream reminder for current user",
        tags=["Live Stream Reminders"],
        request=SetReminderSerializer,
        responses={200: ReminderSerializer},
    )
    def create(self, request: Request, id: str) -> Response:
        """Set your one reminder on this stream, or replace it: `minute` minutes before the planned start.

        With `minute` null, 0 or left out you are notified when the stream really starts. The reminder follows the
        stream: when the planned start moves, the reminder moves with it, and after a notification you get a new one
        for the new start. When the stream starts before the reminder is due you are notified at the start. You are
        notified when the stream is cancelled. You are not notified when it is deleted, ends or expires, nor while a
        ban keeps you from watching it. Notifications are in the language of this call.
        """
        now = timezone.now()
        with self.refused_first(lambda: refuse_unless_readable(id, caller=self.user.pk, now=now)):
            minute = SetReminderSerializer.validated(request.data)["minute"]
        reminded = services.set_reminder(id, by=self.user, now=now, minute=minute, language=get_language())
        return Response(reminded_to_wire(reminded))

    @extend_schema(
        operation_id="getLiveStreamByIdReminderV1",
        summary="Get live stream reminder of current user",
        tags=["Live Stream Reminders"],
        responses={200: ReminderSerializer},
    )
    def retrieve(self, request: Request, id: str) -> Response:
        """Your reminder on this stream.

        `ARMED_ON_START` waits for the start, `SCHEDULED` for its lead time. `SENT`: you were notified, before the
        start or at it. `MISSED`: nothing could be sent in time; if the stream has not started you are notified when
        it does. `CANCELLED`: the stream is cancelled or over. While a ban keeps you from the stream this call is
        refused, and the list of your reminders shows the reminder as `CANCELLED`.
        """
        return Response(reads.my_reminder(id, caller=self.user.pk, now=timezone.now()))

    @extend_schema(
        operation_id="deleteLiveStreamByIdReminderV1",
        summary="Remove live stream reminder of current user",
        tags=["Live Stream Reminders"],
        responses={200: ReminderSerializer},
    )
    def destroy(self, request: Request, id: str) -> Response:
        """Remove your reminder on this stream. Notifications that were sent stay in your list.

        The answer is the removed reminder, now `CANCELLED`. While a ban keeps you from the stream this is refused;
        you are not notified of the stream then.
        """
        return Response(reminded_to_wire(services.remove_reminder(id, by=self.user, now=timezone.now())))

    @extend_schema(
        operation_id="listLiveStreamRemindersV1",
        summary="List own reminders",
        tags=["Live Stream Reminders"],
        parameters=[PageQuery],
        responses={200: page_of(MyReminderSerializer)},
    )
    def list(self, request: Request) -> Response:
        """Your reminders with their streams, the newest first. Replacing a reminder does not change its place.

        Reminders on deleted streams are not listed.
        """
        return reads.my_reminders(self.query(PageQuery), caller=self.user.pk, now=timezone.now())
