"""Who is looking at a ban: small JSON views that the page of the queue polls, and the addresses of all its views."""

from typing import cast

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from accounts.models import User
from bans.admin.access import may_decide, refuse_unless_moderator, refuse_unless_viewer, refuse_wrong_id
from bans.admin.queue import Scope, review, skip, undo
from bans.admin.review_page import faster, looked_at, review_case
from bans.models import LiveStreamBan, ReviewClaim
from bans.services import (
    BanClaimed,
    BanMissing,
    ClaimMissing,
    release_claim,
    take_claim,
    take_over_claim,
    version_of_ban,
)
from common.admin import add_page, row_or_404


@require_http_methods(["GET", "HEAD", "POST"])
def review_claim(request: HttpRequest, ban_id: str) -> HttpResponse:
    """GET says who has the claim and whether the ban has changed; POST renews, releases or takes it over.

    JSON: `isMine`, `holder` (a sentence, empty if nobody else has it) and `changed` (who changed the ban last, if the
    page shows another version). Taking over is a form of the page, and redirects to it.
    """
    refuse_unless_viewer(request)
    refuse_wrong_id(ban_id)
    if request.method == "POST":
        refuse_unless_moderator(request)
        return _change(request, ban_id)
    return _state(request, ban_id)


def _change(request: HttpRequest, ban_id: str) -> HttpResponse:
    user, now = cast("User", request.user), timezone.now()
    match request.POST.get("do"):
        case "release":
            release_claim(ban_id, by=user, now=now)
        case "take_over":
            try:
                take_over_claim(ban_id, by=user, now=now)
            except ClaimMissing:
                pass  # it has become free meanwhile: the page takes it
            except BanMissing as refusal:
                raise Http404 from refusal
            return HttpResponseRedirect(Scope.of(request).url("review_case", ban_id))
        case _:
            try:
                take_claim(ban_id, by=user, now=now)
            except BanClaimed:
                pass  # the answer says who has it
            except BanMissing as refusal:
                raise Http404 from refusal
    return _state(request, ban_id)


def _state(request: HttpRequest, ban_id: str) -> HttpResponse:
    user, now = cast("User", request.user), timezone.now()
    ban = row_or_404(LiveStreamBan.all_objects.select_related("appeal", "claim__moderator"), ban_id)
    claim: ReviewClaim | None = getattr(ban, "claim", None)
    if claim is not None and claim.until <= now:
        claim = None
    is_mine = claim is not None and claim.moderator_id == user.pk
    version = version_of_ban(ban)
    has_changed = request.GET.get("seen", version) != version
    return JsonResponse(
        {
            "isMine": is_mine,
            "holder": looked_at(ban, user, now) if claim and not is_mine and may_decide(request) else "",
            "changed": faster(ban.pk, user) if has_changed else "",
        }
    )


add_page("bans/review/", review, name="review")
add_page("bans/review/undo/", undo, name="review_undo")
add_page("bans/review/<str:ban_id>/", review_case, name="review_case")
add_page("bans/review/<str:ban_id>/skip/", skip, name="review_skip")
add_page("bans/review/<str:ban_id>/claim/", review_claim, name="review_claim")
