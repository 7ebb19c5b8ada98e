"""URL patterns of streams. Plain paths, the most requested first: those of a DRF router cost 20 to 70 µs a request."""

from django.conf import settings
from django.urls import path
from rest_framework.permissions import AllowAny

from common.api import JSONParser
from common.uploads import MultiPartParser
from livestreams.views import FoundStreamViewSet, GuestViewSet, LiveStreamViewSet, OwnStreamsViewSet, ThumbnailViewSet

view = LiveStreamViewSet.as_view
guest = GuestViewSet.as_view
own = OwnStreamsViewSet.as_view
found = FoundStreamViewSet.as_view
thumbnail = ThumbnailViewSet.as_view

v1 = [
    path("live-stream", view({"get": "list"})),
    path(
        "live-stream/create",
        view(
            {"post": "create"},
            parser_classes=[JSONParser, MultiPartParser],
            upload_limit=settings.UPLOAD_BODY_LIMIT,
        ),
    ),
    path("live-stream/my-active-stream", view({"get": "my_active_stream"}, permission_classes=[AllowAny])),
    path("live-stream/my-past-streams", view({"get": "my_past_streams"})),
    path("live-stream/guest-streams", view({"get": "guest_streams"})),
    path("live-stream/upcoming", view({"get": "upcoming"}, permission_classes=[AllowAny])),
    path("live-stream/my-upcoming", own({"get": "my_upcoming"})),
    path("live-stream/deleted", own({"get": "deleted"})),
    path("live-stream/by-channel/<str:channelName>", found({"get": "by_channel"})),
    path(
        "live-stream/user/<str:userId>/active-stream",
        found({"get": "active_of_user"}, permission_classes=[AllowAny]),
    ),
    path(
        "live-stream/user/<str:userId>/past-streams",
        view({"get": "past_of_user"}, permission_classes=[AllowAny]),
    ),
    path(
        "live-stream/user/<str:userId>/upcoming-live-streams",
        view({"get": "upcoming_of_user"}, permission_classes=[AllowAny]),
    ),
    path(
        "live-stream/<str:id>",
        view({"get": "retrieve", "patch": "partial_update", "delete": "destroy"}),
    ),
    path("live-stream/<str:id>/start", view({"post": "start"})),
    path("live-stream/<str:id>/end", view({"post": "end"})),
    path("live-stream/<str:id>/cancel", view({"post": "cancel"})),
    path("live-stream/<str:id>/restore", own({"post": "restore"})),
    path(
        "live-stream/<str:id>/thumbnail",
        thumbnail(
            {"put": "update", "delete": "destroy"},
            parser_classes=[JSONParser, MultiPartParser],
            upload_limit=settings.UPLOAD_BODY_LIMIT,
        ),
    ),
    path("live-stream/<str:id>/guest/accept", guest({"post": "accept"})),
    path("live-stream/<str:id>/guest/decline", guest({"post": "decline"})),
]
v2 = [
    path(
        "live-stream/user/<str:userId>/upcoming-live-streams",
        view({"get": "upcoming_of_user_in_minutes"}, permission_classes=[AllowAny]),
    ),
]
