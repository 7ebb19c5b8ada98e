"""URL patterns of joins, viewers, revocations and join keys."""

from django.urls import path

from edges.views import AudienceViewSet, jwks

view = AudienceViewSet.as_view

# Goes before the patterns of livestreams, because `live-stream/<id>` matches it, too.
join = [path("live-stream/join", view({"post": "join"}))]
# Goes after them, because streams are requested more often.
v1 = [
    path("live-stream/<str:id>/viewers", view({"get": "viewers"})),
    path("live-stream/<str:id>/viewer-count", view({"get": "viewer_count"})),
    path("live-stream/<str:id>/revocations", view({"get": "revocations"})),
]
well_known = [path("jwks.json", jwks)]
