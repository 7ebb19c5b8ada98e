"""One decision on all bans of a batch that still wait, for example on those of a raid."""

from collections import Counter
from typing import Any, cast

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_http_methods

from accounts.models import User
from bans.admin.access import may_decide, refuse_unless_moderator, refuse_unless_viewer, refuse_wrong_id
from bans.admin.actions import LIFTED, UPHELD
from bans.admin.batches import requested_text, warn_of_skipped
from bans.admin.decisions import VerdictForm
from bans.admin.queue import Scope
from bans.models import LiveStreamBan
from bans.queue import Queue
from bans.services import BatchMissing, BulkOutcome, review_batch
from common.admin import add_page, linked, page_context
from common.admin.moments import moment_html

Review = LiveStreamBan.Review

NAMES_SHOWN = 60
DONE = {Review.UPHELD: UPHELD, Review.LIFTED: LIFTED}


class RaidForm(VerdictForm):
    """The verdict is the value of the button."""

    verdict = forms.ChoiceField(
        choices=[(Review.UPHELD, Review.UPHELD), (Review.LIFTED, Review.LIFTED)],
        error_messages={"required": gettext_lazy("Choose what happens to the bans.")},
    )


@require_http_methods(["GET", "HEAD", "POST"])
def raid(request: HttpRequest, batch_id: str) -> HttpResponse:
    """The bans of a batch and the form of the decision; a POST decides."""
    refuse_unless_viewer(request)
    refuse_wrong_id(batch_id)
    form = RaidForm(request.POST if request.method == "POST" else None)
    if request.method == "POST":
        refuse_unless_moderator(request)
        if form.is_valid():
            return _decide(request, batch_id, form.cleaned_data)
    return TemplateResponse(request, "admin/raid.html", _context(request, batch_id, form))


def _decide(request: HttpRequest, batch_id: str, given: dict[str, str]) -> HttpResponse:
    verdict = Review(given["verdict"])
    try:
        results = review_batch(
            batch_id,
            by=cast("User", request.user),
            now=timezone.now(),
            verdict=verdict,
            reason=given["reason"],
            message=given["message"],
        )
    except BatchMissing as missing:
        raise Http404 from missing
    counted = Counter(result.outcome for result in results)
    requested = counted[BulkOutcome.REQUESTED]
    done = len(results) - counted[BulkOutcome.SKIPPED] - requested
    if requested:
        messages.info(request, requested_text(requested))
    if done:
        messages.success(request, str(DONE[verdict] % {"count": done}))
    warn_of_skipped(request, results)
    return HttpResponseRedirect(reverse("admin:index"))


def _context(request: HttpRequest, batch_id: str, form: RaidForm) -> dict[str, Any]:
    """A batch has at most a thousand bans, which are all read."""
    bans = list(
        LiveStreamBan.all_objects.filter(batch_id=batch_id)
        .select_related("target", "stream", "created_by", "appeal")
        .order_by("pk")
    )
    if not bans:
        raise Http404
    appealed = [ban for ban in bans if ban.pending_appeal]
    waiting = [ban for ban in bans if ban.review == Review.UNREVIEWED and not ban.is_deleted and not ban.pending_appeal]
    one, more = bans[0], len(waiting) - NAMES_SHOWN
    scope = Scope(batch=batch_id)
    return {
        **page_context(request, _("Decide a raid") if may_decide(request) else _("Raid")),
        "facts": [
            (_("stream"), linked(one.stream, one.stream.title)),
            (_("banned by"), linked(one.created_by, one.created_by.username)),
            (_("time"), moment_html(one.created_at, with_age=True)),
            (_("kind"), one.get_action_type_display()),
            (_("reason"), one.reason or "–"),
        ],
        "numbers": [
            (_("people"), number_format(len(bans), force_grouping=True)),
            (_("unreviewed"), number_format(len(waiting), force_grouping=True)),
            (_("with a pending appeal"), number_format(len(appealed), force_grouping=True)),
        ],
        "people": [linked(ban, ban.target.username) for ban in waiting[:NAMES_SHOWN]],
        "more": _("and %(count)s more") % {"count": number_format(more, force_grouping=True)} if more > 0 else "",
        "form": form if may_decide(request) and (waiting or appealed) else None,
        "choices": _choices(len(waiting), len(waiting) + len(appealed)),
        "appeals": _appeals_text(len(appealed)),
        "appeals_url": scope.url("review", queue=Queue.APPEALS),
        "one_by_one_url": scope.url("review") if waiting or appealed else "",
        "back_url": reverse("admin:index"),
        "texts": {
            "waiting": _("Unreviewed bans"),
            "settled": _("All bans of this raid have been decided."),
            "one_by_one": _("Decide them one by one"),
            "appeals": _("Read the appeals"),
            "back": _("Back"),
        },
    }


def _choices(kept: int, lifted: int) -> list[tuple[str, str]]:
    """The buttons that change something: the verdict of each, and what it says."""
    keep = ngettext("Keep %(count)d ban", "Keep all %(count)d bans", kept) % {"count": kept}
    lift = ngettext("Lift %(count)d ban", "Lift all %(count)d bans", lifted) % {"count": lifted}
    choices = [(Review.UPHELD, keep, kept), (Review.LIFTED, lift, lifted)]
    return [(verdict.value, text) for verdict, text, count in choices if count]


def _appeals_text(count: int) -> str:
    if not count:
        return ""
    text = ngettext(
        "%(count)d person has appealed. Keeping all leaves this ban to a decision of its own; lifting all grants it.",
        "%(count)d people have appealed. Keeping all leaves these bans to decisions of their own; lifting all grants them.",  # noqa: E501 - a translator reads it whole
        count,
    )
    return text % {"count": count}


add_page("bans/raid/<str:batch_id>/", raid, name="raid")
