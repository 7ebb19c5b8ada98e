"""Reminders over HTTP: each action asks one question or makes one call to the services."""

from typing import Any, ClassVar

from django.db import models
from django.db.models import F, OuterRef
from django.utils import timezone
from django.utils.translation import get_language
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from common.pagination import Listing, Order, PageQuery
from common.queries import ID, TIME, Param, Question
from common.refusals import Refusal
from common.schema import page_of
from common.views import ApiViewSet
from livestreams.models import LiveStream, of_living_stream
from livestreams.services import Banned, StreamMissing, audience_restriction, refuse_blocked
from reminders import services
from reminders.models import Reminder
from reminders.serializers import MyReminderSerializer, ReminderSerializer, SetReminderSerializer, reminded_to_wire

COLUMNS, built = ReminderSerializer.columns(), ReminderSerializer.to_wire


def _of_user(*, user: Any, now: Any) -> models.QuerySet[Any]:
    living = Reminder.objects.with_fate(now).filter(user=user, stream__deleted_at__isnull=True)
    return living.annotate(asked_at=now)


def _with_state(*, now: Any, **_others: Any) -> models.QuerySet[Any]:
    return Reminder.objects.with_fate(now).annotate(asked_at=now)


def _matching(*, user: Any, **_others: Any) -> models.QuerySet[Any]:
    return Reminder.objects.filter(of_living_stream(), user=user)


MINE = Listing(
    "reminders",
    MyReminderSerializer,
    _matching,
    values={"user": ID, "now": TIME},
    detail=_with_state,
    orders={"createdAt": Order(F("created_at"))},
)
ON_STREAM = Question(
    lambda: (
        _of_user(user=Param("user", ID), now=Param("now", TIME))
        .filter(stream=Param("stream", ID))
        .values_list(
            *COLUMNS,
            audience_restriction(stream=OuterRef("stream"), user=Param("user", ID), now=Param("now", TIME)),
        )
    )
)
AT_THE_STREAM = Question(
    lambda: LiveStream.objects.filter(pk=Param("id", ID)).values_list(
        audience_restriction(stream=OuterRef("pk"), user=Param("caller", ID), now=Param("now", TIME))
    )
)


class ReminderViewSet(ApiViewSet):
    """Being told before a stream starts, or when it does."""

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

    @extend_schema(
        operation_id="setReminderByIdV1",
        tags=["Reminders"],
        request=SetReminderSerializer,
        responses={200: ReminderSerializer},
    )
    def create(self, request: Request, id: str) -> Response:
        """Set your one reminder on this stream, or replace it: `minute` minutes before the planned start.

        With `minute` null, 0 or left out you are told when the stream really starts. The reminder follows the stream:
        a moved start moves it, and one that is moved after you were told earns a new notice. When the stream starts
        earlier you are told then. Cancelling tells you so; deleting, ending and expiring are silent, and so is a ban
        that keeps you from watching, for as long as it holds. You are told in the language of this call.
        """
        with self.refused_first(lambda: self.refuse_unless_admitted(id)):
            minute = SetReminderSerializer.validated(request.data)["minute"]
        language = get_language()
        reminded = services.set_reminder(id, by=self.user, now=timezone.now(), minute=minute, language=language)
        return Response(reminded_to_wire(reminded))

    @extend_schema(operation_id="readReminderByIdV1", tags=["Reminders"], responses={200: ReminderSerializer})
    def retrieve(self, request: Request, id: str) -> Response:
        """Your reminder on this stream.

        `ARMED_ON_START` and `SCHEDULED` wait. `SENT`: you were told, before the start or at it. `MISSED`: nothing
        could be sent in time; if the stream has not started you are told when it does. `CANCELLED`: the stream is
        cancelled or over. While a ban keeps you from the stream this is refused; the list of your reminders shows it
        as `CANCELLED`.
        """
        rows = ON_STREAM.rows(user=self.user.pk, stream=id, now=timezone.now())
        if not rows:
            self.refuse_unless_admitted(id)
            raise services.ReminderMissing
        refuse_blocked(rows[0][-1])
        return Response(built(rows[0], self.user.pk))

    @extend_schema(operation_id="deleteReminderByIdV1", tags=["Reminders"], responses={200: ReminderSerializer})
    def destroy(self, request: Request, id: str) -> Response:
        """Remove your reminder on this stream; what went out already stays in your notifications.

        The answer is what was removed, now `CANCELLED`. While a ban keeps you from the stream this is refused; nothing
        is told of it then anyway.
        """
        return Response(reminded_to_wire(services.remove_reminder(id, by=self.user, now=timezone.now())))

    @extend_schema(
        operation_id="listMyRemindersV1",
        tags=["Reminders"],
        parameters=[PageQuery],
        responses={200: page_of(MyReminderSerializer)},
    )
    def list(self, request: Request) -> Response:
        """Your reminders with their streams, the newest first; replacing one leaves it in its place.

        Those on deleted streams are gone with them.
        """
        return MINE.page(self.query(PageQuery), caller=self.user.pk, user=self.user.pk, now=timezone.now())

    def refuse_unless_admitted(self, stream_id: str) -> None:
        """Raises StreamMissing, Banned."""
        rows = AT_THE_STREAM.rows(id=stream_id, caller=self.user.pk, now=timezone.now())
        if not rows:
            raise StreamMissing
        refuse_blocked(rows[0][0])
