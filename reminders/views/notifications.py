"""Notifications over HTTP."""

from typing import ClassVar

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from common.pagination import at_least
from common.refusals import Refusal
from common.schema import page_of
from common.views import ApiViewSet
from reminders import reads, services
from reminders.serializers import (
    ListNotificationsQuery,
    MarkedSerializer,
    MarkNotificationSerializer,
    NotificationSerializer,
    UnreadCountSerializer,
)


class NotificationViewSet(ApiViewSet):
    """The notifications of the caller."""

    serializer_class = NotificationSerializer
    refusals: ClassVar[dict[str, list[type[Refusal]]]] = {
        "mark": [services.NotificationMissing],
        "mark_in_v2": [services.NotificationMissing],
    }

    @extend_schema(
        operation_id="listNotificationsV1",
        summary="List notifications",
        tags=["Notifications"],
        parameters=[ListNotificationsQuery],
        responses={200: page_of(NotificationSerializer)},
    )
    def list(self, request: Request) -> Response:
        """Your notifications, newest first; title and message are in the language of this call."""
        return reads.my_notifications(self.query(ListNotificationsQuery), caller=self.user.pk)

    @extend_schema(
        operation_id="listNotificationsV2",
        summary="List notifications (v2)",
        tags=["Notifications"],
        parameters=[ListNotificationsQuery],
        responses={200: page_of(NotificationSerializer)},
    )
    def list_in_v2(self, request: Request) -> Response:
        """Your notifications, newest first; the same as in v1."""
        return self.list(request)

    @extend_schema(
        operation_id="getNotificationsUnreadCountV1",
        summary="Get the number of unread notifications",
        tags=["Notifications"],
        responses={200: UnreadCountSerializer},
    )
    def count_unread(self, request: Request) -> Response:
        """How many of your notifications are unread. Counted up to 10,000: see `X-Total-Count`."""
        return reads.unread_count(caller=self.user.pk)

    @extend_schema(
        operation_id="updateNotificationsReadAllV1",
        summary="Mark all notifications as read",
        tags=["Notifications"],
        request=None,
        responses={200: MarkedSerializer},
    )
    def mark_all(self, request: Request) -> Response:
        """Mark all of your notifications as read.

        One call marks 10,000 at once. If you have more, the answer has `X-Total-Count: at-least`, and the others
        follow within moments, apart from those that arrive after this call.
        """
        marked = services.mark_all_notifications(by=self.user, now=timezone.now())
        return Response({"markedCount": marked.number}, headers=at_least(marked.has_rest))

    @extend_schema(
        operation_id="updateNotificationsByIdReadV1",
        summary="Mark a notification as read",
        tags=["Notifications"],
        request=MarkNotificationSerializer,
        responses={200: NotificationSerializer},
    )
    def mark(self, request: Request, id: str) -> Response:
        """Mark one of your notifications as read, or as unread."""
        with self.refused_first(lambda: reads.refuse_unless_notified(id, caller=self.user.pk)):
            read = MarkNotificationSerializer.validated(request.data)["read"]
        services.mark_notification(id, by=self.user, now=timezone.now(), read=read)
        return Response(reads.notification(id, caller=self.user.pk))

    @extend_schema(
        operation_id="updateNotificationsByIdReadV2",
        summary="Mark a notification as read (v2)",
        tags=["Notifications"],
        request=MarkNotificationSerializer,
        responses={200: NotificationSerializer},
    )
    def mark_in_v2(self, request: Request, id: str) -> Response:
        """Mark one of your notifications as read, or as unread; the same as in v1."""
        return self.mark(request, id)
