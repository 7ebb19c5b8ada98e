"""Addresses of the bans; the check comes first, chat servers ask it for every message."""

from django.conf import settings
from django.urls import path

from bans.views import BulkBanViewSet, LiveStreamBanViewSet, MyBanViewSet

view = LiveStreamBanViewSet.as_view
bulk = BulkBanViewSet.as_view
mine = MyBanViewSet.as_view

v1 = [
    path("live-stream-ban/check/<str:targetUserId>", view({"get": "check"})),
    path("live-stream-ban", view({"get": "list", "post": "create"})),
    path("live-stream-ban/mine", mine({"get": "list"})),
    path("live-stream-ban/bulk", bulk({"post": "create"}, body_limit=settings.LARGE_JSON_BODY_LIMIT)),
    path("live-stream-ban/bulk/<str:batchId>", bulk({"delete": "destroy"})),
    path(
        "live-stream-ban/<str:id>/appeal",
        mine({"get": "read_appeal", "post": "appeal", "delete": "withdraw_appeal"}),
    ),
    path("live-stream-ban/<str:id>", view({"get": "retrieve", "patch": "partial_update", "delete": "destroy"})),
]
