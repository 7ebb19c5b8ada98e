"""Addresses for viewers, media servers and chat servers."""

from django.urls import path

from edges.views import AudienceViewSet, jwks

view = AudienceViewSet.as_view

# Before those of the streams: `live-stream/<id>` matches it, too.
join = [path("live-stream/join", view({"post": "join"}))]
# After them, since streams are read more often.
v1 = [
    path("live-stream/<str:id>/viewers", view({"get": "viewers"})),
    path("live-stream/<str:id>/viewer-count", view({"get": "viewer_count"})),
    path("live-stream/<str:id>/revocations", view({"get": "revocations"})),
]
well_known = [path("jwks.json", jwks)]
