"""Addresses of reminders and notifications. They stand before those of the streams, which take any word for an id."""

from django.urls import path

from reminders.views import NotificationViewSet, ReminderViewSet

reminder = ReminderViewSet.as_view
notification = NotificationViewSet.as_view

v1 = [
    path("live-stream/reminders", reminder({"get": "list"})),
    path("live-stream/<str:id>/reminder", reminder({"post": "create", "get": "retrieve", "delete": "destroy"})),
    path("notifications/<str:id>/read", notification({"patch": "mark"})),
]
v2 = [
    path("notifications", notification({"get": "list"})),
]
