"""The views of the front page: its context, its renewal as JSON, and the undo of a decision."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from bans.services import BanMissing, undo_review
from common.fields import OBJECT_ID
from common.refusals import Refusal
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
    return timezone.localtime().strftime("%H:%M:%S %Z")


@require_POST
def undo(request: HttpRequest) -> HttpResponse:
    """Take back the decision on the ban of the form, and show the page again."""
    user: Any = request.user
    if not user.has_perm("bans.moderate"):
        raise PermissionDenied
    ban_id = request.POST.get("ban", "")
    if not OBJECT_ID.fullmatch(ban_id):
        raise Http404
    try:
        ban = undo_review(ban_id, by=user, now=timezone.now())
    except BanMissing as missing:
        raise Http404 from missing
    except Refusal as refusal:
        messages.warning(request, "; ".join(refusal.reasons))
    else:
        messages.success(request, _("The decision on the ban of %(person)s was taken back.") % {"person": ban.target})
    return redirect(f"{reverse('admin:index')}#decisions")
