"""URL patterns of joining and leaving, viewers, statistics, feedback, discovery, revocations and join keys."""

from django.urls import path
from rest_framework.permissions import AllowAny

from edges.views import (
    AudienceViewSet,
    DiscoveryViewSet,
    FeedbackViewSet,
    HistoryViewSet,
    JoiningViewSet,
    PublicDiscoveryViewSet,
    jwks,
)

view = AudienceViewSet.as_view
joining = JoiningViewSet.as_view
public = PublicDiscoveryViewSet.as_view
discovery = DiscoveryViewSet.as_view
history = HistoryViewSet.as_view

# Go before the patterns of livestreams, because `live-stream/<id>` matches them, too.
fixed = [
    path("live-stream/join", joining({"post": "join"})),
    path("live-stream/join-as-creator", joining({"post": "join_as_creator"})),
    path("live-stream/join-as-guest", joining({"post": "join_as_guest"})),
    path("live-stream/featured", public({"get": "featured"})),
    path("live-stream/catch-streamers", public({"get": "catch_streamers"})),
    path("live-stream/whats-live-now", discovery({"get": "whats_live_now"})),
    path(
        "live-stream/most-watched-creators",
        discovery({"get": "most_watched_creators"}, permission_classes=[AllowAny]),
    ),
    path("live-stream/my-broadcasted-streams", history({"get": "my_broadcasted_streams"})),
    path("live-stream/my-watched-streams", history({"get": "my_watched_streams"})),
]
# Goes after them, because streams are requested more often.
v1 = [
    path("live-stream/<str:id>/viewers", view({"get": "viewers"})),
    path("live-stream/<str:id>/viewer-count", view({"get": "viewer_count"})),
    path("live-stream/<str:id>/statistics", view({"get": "statistics"})),
    path("live-stream/<str:id>/feedback", FeedbackViewSet.as_view({"get": "retrieve", "post": "create"})),
    path("live-stream/<str:id>/leave", joining({"post": "leave"})),
    path("live-stream/<str:id>/revocations", view({"get": "revocations"})),
]
well_known = [path("jwks.json", jwks)]
