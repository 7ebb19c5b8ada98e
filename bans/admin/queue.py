"""The queue of moderators: the next ban that waits for a review, and what moderators do to it besides deciding.

The page of one ban is in `review_page`, the decision in `decisions`.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from django.contrib import messages
from django.db.models import Exists, OuterRef
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST, require_safe

from accounts.models import User
from bans.admin.access import may_decide, refuse_unless_moderator, refuse_unless_viewer, refuse_wrong_id
from bans.admin.filters import counted
from bans.models import LiveStreamBan, ReviewClaim
from bans.queue import Queue
from bans.services import BanClaimed, BanMissing, release_claim, take_claim, undo_review
from common.admin import page_context
from common.admin.counting import written_count
from common.error_pages import RefusedParameter
from common.fields import OBJECT_ID
from common.refusals import Refusal

SESSION_KEY = "review"
MOST_SKIPPED = 200  # ids in the session; the oldest are forgotten
ATTEMPTS = 5  # to claim a ban, while other moderators claim the same ones at the same moment


# --- which bans -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Scope:
    """The part of the queue that a moderator works on, as the query string names it. Empty values restrict nothing."""

    queue: str = ""
    creator: str = ""
    batch: str = ""

    @classmethod
    def of(cls, request: HttpRequest) -> "Scope":
        """Raises RefusedParameter."""
        sent = {name: request.GET.get(name, "") for name in ("queue", "creator", "batch")}
        if sent["queue"] and sent["queue"] not in Queue:
            raise RefusedParameter(gettext("%(name)s: there is no such queue") % {"name": "queue"})
        for name in ("creator", "batch"):
            if sent[name] and not OBJECT_ID.fullmatch(sent[name].lower()):
                raise RefusedParameter(gettext("%(name)s: this is not an id") % {"name": name})
        return cls(sent["queue"], sent["creator"].lower(), sent["batch"].lower())

    def url(self, name: str, *args: str, **changed: str) -> str:
        """The address of the page `admin:<name>` in this scope, or in one with other values."""
        values = {**self.__dict__, **changed}
        query = urlencode({key: value for key, value in values.items() if value})
        return reverse(f"admin:{name}", args=args) + (f"?{query}" if query else "")

    def bans(self) -> Any:
        wanted = {"stream__creator": self.creator, "batch_id": self.batch}
        return LiveStreamBan.all_objects.filter(**{name: value for name, value in wanted.items() if value})

    @property
    def queues(self) -> list[Queue]:
        return [Queue(self.queue)] if self.queue else list(Queue)


def free_for(by: User, now: datetime) -> Any:
    """Whether no other moderator has a claim on the ban."""
    return ~Exists(ReviewClaim.objects.filter(ban=OuterRef("pk"), until__gt=now).exclude(moderator=by))


def next_ban(scope: Scope, *, by: User, now: datetime, skipped: list[str]) -> str | None:
    """The id of the next ban that waits for `by` and that nobody else is looking at."""
    waiting = scope.bans().offered_to(by, now).filter(free_for(by, now)).exclude(pk__in=skipped)
    found: list[str] = waiting.page_of_queue(now, 0, 1, queues=scope.queues)
    return found[0] if found else None


def claim_next(request: HttpRequest, scope: Scope) -> str | None:
    """The id of the next ban, claimed if the user may decide. Skipped ones come again when no other is left."""
    user, now = cast("User", request.user), timezone.now()
    state = session_of(request)
    for _attempt in range(ATTEMPTS):
        found = next_ban(scope, by=user, now=now, skipped=state["skipped"])
        if found is None and state["skipped"]:
            save(request, skipped=[])
            state["skipped"] = []
            found = next_ban(scope, by=user, now=now, skipped=[])
        if found is None or request.method == "HEAD" or not may_decide(request):
            return found
        try:
            take_claim(found, by=user, now=now)
        except (BanClaimed, BanMissing):
            continue
        return found
    return None


# --- what a moderator did last, kept in the session -----------------------------------------------


def session_of(request: HttpRequest) -> dict[str, Any]:
    """`skipped`: ids of bans; `last`: the id of the ban that was decided last, and what was decided, or None."""
    return {"skipped": [], "last": None} | request.session.get(SESSION_KEY, {})


def save(request: HttpRequest, **values: Any) -> None:
    request.session[SESSION_KEY] = session_of(request) | values


# --- pages ----------------------------------------------------------------------------------------


@require_safe
def review(request: HttpRequest) -> HttpResponse:
    """Redirects to the page of the next ban, or says that none waits."""
    refuse_unless_viewer(request)
    scope = Scope.of(request)
    if (found := claim_next(request, scope)) is not None:
        return HttpResponseRedirect(scope.url("review_case", found))
    context = {
        **page_context(request, gettext("Review")),
        **of_queue(request, scope),
        "headline": _("Nothing waits here.") if scope != Scope() else _("Nothing waits for a review."),
        "all_url": Scope().url("review") if scope != Scope() else "",
        "all_text": _("Open the whole queue"),
        "list_url": reverse("admin:bans_livestreamban_changelist"),
        "list_text": _("To the list of bans"),
    }
    return TemplateResponse(request, "admin/review_empty.html", context)


def of_queue(request: HttpRequest, scope: Scope) -> dict[str, Any]:
    """The variables of the bar above the page: the queues with their numbers, and what was decided last."""
    now, bans = timezone.now(), scope.bans()
    numbers = counted(request, {queue: bans.in_queue(queue, now) for queue in Queue})
    total = sum(numbers[queue] for queue in Queue)
    tabs = [("", _("All"), total), *((queue, queue.label, numbers[queue]) for queue in Queue)]
    last = session_of(request)["last"]
    return {
        "tabs": [
            {
                "url": scope.url("review", queue=queue),
                "title": title,
                "count": written_count(count),
                "is_shown": queue == scope.queue,
            }
            for queue, title, count in tabs
        ],
        "tabs_label": _("Queues"),
        "last": last,
        "undo_url": scope.url("review_undo"),
        "undo_text": _("Undo"),
    }


@require_POST
def skip(request: HttpRequest, ban_id: str) -> HttpResponse:
    """Leaves the ban for now. It comes again when no other waits."""
    refuse_unless_moderator(request)
    refuse_wrong_id(ban_id)
    scope = Scope.of(request)
    release_claim(ban_id, by=cast("User", request.user), now=timezone.now())
    skipped = [one for one in session_of(request)["skipped"] if one != ban_id]
    save(request, skipped=[*skipped, ban_id][-MOST_SKIPPED:])
    return to_next(request, scope)


@require_POST
def undo(request: HttpRequest) -> HttpResponse:
    """Takes back the verdict on the ban that the form names, and opens its page."""
    refuse_unless_moderator(request)
    scope, ban_id = Scope.of(request), request.POST.get("ban", "").lower()
    refuse_wrong_id(ban_id)
    try:
        undo_review(ban_id, by=cast("User", request.user), now=timezone.now())
    except BanMissing as refusal:
        raise Http404 from refusal
    except Refusal as refusal:
        messages.warning(request, "; ".join(refusal.reasons))
    else:
        messages.success(request, gettext("The verdict was taken back. Decide again."))
    save(request, last=None)
    return HttpResponseRedirect(scope.url("review_case", ban_id))


def to_next(request: HttpRequest, scope: Scope) -> HttpResponse:
    found = claim_next(request, scope)
    return HttpResponseRedirect(scope.url("review") if found is None else scope.url("review_case", found))
