"""URLs of bans and reports. The check comes first because chat servers call it for every message."""

from django.conf import settings
from django.urls import include, path

from bans.views import BulkBanViewSet, LiveStreamBanViewSet, MyBanViewSet, ReportViewSet

view = LiveStreamBanViewSet.as_view
bulk = BulkBanViewSet.as_view
mine = MyBanViewSet.as_view
reporting = ReportViewSet.as_view

bans = [
    path("/check/<str:targetUserId>", view({"get": "check"})),
    path("", view({"get": "list", "post": "create"})),
    path("/mine", mine({"get": "list"})),
    path("/appeals", mine({"get": "list_appeals"})),
    path("/bulk", bulk({"post": "create"}, body_limit=settings.LARGE_JSON_BODY_LIMIT)),
    path("/bulk/<str:batchId>", bulk({"delete": "destroy"})),
    path(
        "/<str:id>/appeal",
        mine({"get": "read_appeal", "post": "appeal", "delete": "withdraw_appeal"}),
    ),
    path("/<str:id>", view({"get": "retrieve", "patch": "partial_update", "delete": "destroy"})),
]

reports = [
    path("/my-reports", reporting({"get": "list"})),
    path("/<str:streamId>", reporting({"post": "create"})),
]

# One prefix each, so that requests for other apps are compared with one pattern only.
v1 = [path("live-stream-ban", include(bans)), path("live-stream-reports", include(reports))]
