"""The root URLconf. The API comes first, because it gets the most requests."""

from django.contrib import admin
from django.urls import include, path, re_path
from django.views.decorators.csrf import csrf_exempt
from django.views.generic import RedirectView

import accounts.urls
import bans.urls
import edges.urls
import livestreams.urls
import reminders.urls
from common import api, health
from common.playground import PlaygroundView, SchemaView
from reminders.views import own_calendar, unsubscribe

admin.autodiscover()  # see INSTALLED_APPS

urlpatterns = [
    path(
        "api/v1/",
        include(
            [
                *bans.urls.v1,
                *reminders.urls.v1,
                *edges.urls.fixed,
                *livestreams.urls.v1,
                *edges.urls.v1,
                *accounts.urls.urlpatterns,
            ]
        ),
    ),
    path("api/v2/", include([*livestreams.urls.v2, *reminders.urls.v2])),
    path("api/schema/", SchemaView.as_view(), name="schema"),
    path("api/docs/", PlaygroundView.as_view(), name="playground"),
    path("api/schema", RedirectView.as_view(pattern_name="schema")),
    path("api/docs", RedirectView.as_view(pattern_name="playground")),
    # With DEBUG, Django would answer unknown paths with its own HTML page.
    re_path(r"^api/", csrf_exempt(api.unknown_address)),
    path(".well-known/", include(edges.urls.well_known)),
    path("unsubscribe/<str:token>", unsubscribe, name="unsubscribe"),
    # common/logging.py keeps the secret out of the logs.
    path("calendar/<str:secret>.ics", own_calendar, name="own-calendar"),
    path("healthz", health.alive),
    path("readyz", health.ready),
    path("admin/", admin.site.urls),
    path("admin", RedirectView.as_view(url="/admin/")),
    path("", RedirectView.as_view(pattern_name="playground")),
]

handler400 = api.bad_request
handler403 = api.forbidden
handler404 = api.unknown_address
handler500 = api.crashed
