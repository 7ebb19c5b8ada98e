"""The context of the front page, and its renewal as JSON."""

from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from config.front_page.sections import sections

RENEWED_EVERY = 20  # seconds


def context(request: HttpRequest, given: dict[str, Any]) -> dict[str, Any]:
    """The variables of `admin/index.html`. Named by `UNFOLD["DASHBOARD_CALLBACK"]`."""
    texts = {
        "renewed": _("Renewed at"),
        "offline": _("Not renewed since then: the server does not answer. It is tried again."),
        "logged_out": _("Not renewed since then: your session has ended."),
        "log_in": _("Log in again"),
        "nothing": _("There is nothing on this page for your role. The menu has all pages that you may see."),
    }
    shown = sections(request.user, timezone.now())  # type: ignore[arg-type]
    return given | {
        "title": _("Overview"),
        "columns": [[each for each in shown if each[0].column == column] for column in range(3)],
        "is_empty": not shown,
        "renewed_at": _clock(),
        "every": RENEWED_EVERY,
        "texts": texts,
    }


@require_GET
def data(request: HttpRequest) -> HttpResponse:
    """The HTML of each section by its name, and the time."""
    shown = sections(request.user, timezone.now())  # type: ignore[arg-type]
    return JsonResponse({"sections": {section.name: html for section, html in shown}, "renewedAt": _clock()})


def _clock() -> str:
    """To the second, because the minute alone would not show that the page was renewed. The frame names the zone."""
    return timezone.localtime().strftime("%H:%M:%S")
