"""Routes of reminders and notifications. They precede those of streams, where `<str:id>` matches any word."""

from django.urls import path
from rest_framework.permissions import AllowAny

from reminders.views import (
    CalendarAddressViewSet,
    CalendarViewSet,
    ChannelsViewSet,
    DeviceTokenViewSet,
    NotificationViewSet,
    ReminderViewSet,
)

reminder = ReminderViewSet.as_view
notification = NotificationViewSet.as_view
channels = ChannelsViewSet.as_view
calendar = CalendarViewSet.as_view
address = CalendarAddressViewSet.as_view
device = DeviceTokenViewSet.as_view

v1 = [
    path("live-stream/my-calendar", address({"post": "create", "delete": "destroy"})),
    path("live-stream/reminders", reminder({"get": "list"})),
    path("live-stream/<str:id>/reminder", reminder({"post": "create", "get": "retrieve", "delete": "destroy"})),
    path(
        "live-stream/user/<str:userId>/calendar.ics",
        calendar({"get": "of_user"}, permission_classes=[AllowAny]),
    ),
    path("live-stream/<str:id>/calendar.ics", calendar({"get": "retrieve"}, permission_classes=[AllowAny])),
    path("notifications", notification({"get": "list"})),
    path("notifications/unread-count", notification({"get": "count_unread"})),
    path("notifications/read-all", notification({"patch": "mark_all"})),
    path("notifications/device-token", device({"post": "create"})),
    path("notifications/device-token/<str:id>", device({"delete": "destroy"})),
    path("notifications/channels", channels({"get": "retrieve", "patch": "update"})),
    path("notifications/<str:id>/read", notification({"patch": "mark"})),
]
v2 = [
    path("notifications", notification({"get": "list_in_v2"})),
    path("notifications/<str:id>/read", notification({"patch": "mark_in_v2"})),
]
