"""The inbox over HTTP."""

from typing import Any, ClassVar

from django.db import models
from django.db.models import F
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from common.pagination import Listing, Order
from common.queries import ID, Param, Question
from common.refusals import Refusal
from common.schema import page_of
from common.views import ApiViewSet
from livestreams.models import of_living_stream
from reminders import services
from reminders.models import Notification
from reminders.serializers import ListNotificationsQuery, MarkNotificationSerializer, NotificationSerializer

COLUMNS, built = NotificationSerializer.columns(), NotificationSerializer.to_wire


def _of_user(*, user: Any, read: bool | None = None, category: str | None = None) -> models.QuerySet[Any]:
    # Every notice is of the one category that there is.
    mine = Notification.objects.filter(of_living_stream(), user=user)
    return mine if read is None else mine.filter(read_at__isnull=not read)


MINE = Listing(
    "notifications",
    NotificationSerializer,
    _of_user,
    values={"user": ID},
    orders={"createdAt": Order(F("created_at"))},
)
NOTIFICATION = Question(lambda: Notification.objects.filter(pk=Param("id", ID)).values_list(*COLUMNS))

MINE_EXISTS = Question(
    lambda: Notification.objects.filter(
        pk=Param("id", ID), user=Param("user", ID), stream__deleted_at__isnull=True
    ).values_list("pk")
)


class NotificationViewSet(ApiViewSet):
    """What you were told."""

    serializer_class = NotificationSerializer
    refusals: ClassVar[dict[str, list[type[Refusal]]]] = {
        "mark": [services.NotificationMissing],
        "mark_in_v2": [services.NotificationMissing],
    }

    @extend_schema(
        operation_id="listNotificationsV2",
        tags=["Notifications"],
        parameters=[ListNotificationsQuery],
        responses={200: page_of(NotificationSerializer)},
    )
    def list(self, request: Request) -> Response:
        """Your notifications, newest first; title and message are in the language of this call."""
        return MINE.page(self.query(ListNotificationsQuery), caller=self.user.pk, user=self.user.pk)

    @extend_schema(
        operation_id="markNotificationByIdV1",
        tags=["Notifications"],
        request=MarkNotificationSerializer,
        responses={200: NotificationSerializer},
    )
    def mark(self, request: Request, id: str) -> Response:
        """Mark one of your notifications as read, or as unread."""
        with self.refused_first(lambda: self.refuse_unless_mine(id)):
            read = MarkNotificationSerializer.validated(request.data)["read"]
        services.mark_notification(id, by=self.user, now=timezone.now(), read=read)
        (row,) = NOTIFICATION.rows(id=id)
        return Response(built(row, self.user.pk))

    @extend_schema(
        operation_id="markNotificationByIdV2",
        tags=["Notifications"],
        request=MarkNotificationSerializer,
        responses={200: NotificationSerializer},
    )
    def mark_in_v2(self, request: Request, id: str) -> Response:
        """Mark one of your notifications as read, or as unread; the same as in v1, beside the list."""
        return self.mark(request, id)

    def refuse_unless_mine(self, notification_id: str) -> None:
        """Raises NotificationMissing."""
        if not MINE_EXISTS.rows(id=notification_id, user=self.user.pk):
            raise services.NotificationMissing
