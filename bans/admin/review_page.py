"""The page of one ban in the queue: everything that a decision needs, and the decision."""

from datetime import datetime
from typing import Any, cast

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.timesince import timesince, timeuntil
from django.utils.translation import gettext, pgettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods

from accounts.models import User
from accounts.reads import notes_of
from accounts.services import change_preferences
from bans.admin.access import may_decide, refuse_unless_moderator, refuse_unless_viewer
from bans.admin.decisions import DecisionForm, changes_of, verdicts_on
from bans.admin.queue import Scope, of_queue, save, to_next
from bans.admin.words import holding_words
from bans.models import Appeal, LiveStreamBan, ReviewClaim
from bans.records import other_bans
from bans.services import BanClaimed, BanMissing, release_claim, take_claim, version_of_ban
from common.admin import card_of, page_context, page_of, row_or_404
from common.admin.audit_trail import Worded, actor_of, newest_entries, worded_entries
from common.models import AuditEntry
from common.refusals import Refusal
from common.times import how_long_ago, written
from livestreams.models import LiveStream, Status

TRAIL_SHOWN = 20
NOTES_SHOWN = 5
SHOWN_WITH = (
    "target__profile_photo", "stream__creator", "created_by", "reviewed_by", "deleted_by", "appeal", "claim__moderator",
)  # fmt: skip


@require_http_methods(["GET", "HEAD", "POST"])
def review_case(request: HttpRequest, ban_id: str) -> HttpResponse:
    refuse_unless_viewer(request)
    if request.method == "POST":
        refuse_unless_moderator(request)
    scope, ban = Scope.of(request), _found(ban_id)
    if request.method == "POST":
        return _decide(request, ban, scope)
    return page(request, ban, scope)


def _found(ban_id: str) -> LiveStreamBan:
    return row_or_404(LiveStreamBan.all_objects.select_related(*SHOWN_WITH), ban_id)


# --- the decision ---------------------------------------------------------------------------------


def _decide(request: HttpRequest, ban: LiveStreamBan, scope: Scope) -> HttpResponse:
    user, now = cast("User", request.user), timezone.now()
    form = DecisionForm(ban, request.POST)
    if not form.is_valid():
        return page(request, ban, scope, form=form, status=400)
    try:
        take_claim(ban.pk, by=user, now=now)
        form.decide(by=user, now=now)
    except BanMissing as refusal:
        raise Http404 from refusal
    except BanClaimed:
        ban = _found(ban.pk)
        return page(request, ban, scope, form=form, problem=looked_at(ban, user, now), status=409)
    except Refusal as refusal:
        problem = "; ".join(filter(None, [faster(ban.pk, user), *refusal.reasons]))
        return page(request, _found(ban.pk), scope, form=form, problem=problem, status=409)
    release_claim(ban.pk, by=user, now=now)
    save(request, last={"ban": ban.pk, "text": _decided(ban, form)})
    stay = form.cleaned_data["stay"]
    if stay != user.preferences.stay_on_case:
        change_preferences(by=user, now=now, stay_on_case=stay)
    return HttpResponseRedirect(scope.url("review_case", ban.pk)) if stay else to_next(request, scope)


def _decided(ban: LiveStreamBan, form: DecisionForm) -> str:
    verdict = LiveStreamBan.Review(form.cleaned_data["verdict"])
    return f"{ban.target.username} · {ban.stream.title}: {verdict.label}"


def faster(ban_id: str, user: User) -> str:
    """Who changed the ban last, and when; empty if it was `user`. For refusals."""
    newest = AuditEntry.objects.filter(target_id=ban_id, target_type="livestreamban").order_by("-id").first()
    if newest is None or newest.actor_id == user.pk:
        return ""
    verdict = newest.after.get("review")
    done = LiveStreamBan.Review(verdict).label if verdict in LiveStreamBan.Review else newest.action
    text = gettext("%(who)s was faster, at %(moment)s: %(verdict)s")
    return text % {"who": actor_of(newest), "moment": written(newest.at), "verdict": done}


# --- the page -------------------------------------------------------------------------------------


def page(
    request: HttpRequest,
    ban: LiveStreamBan,
    scope: Scope,
    *,
    form: DecisionForm | None = None,
    problem: str = "",
    status: int = 200,
) -> HttpResponse:
    user, now = cast("User", request.user), timezone.now()
    verdicts = verdicts_on(ban, by=user, now=now) if may_decide(request) else []
    holder = _claimed(request, ban, user, now) if verdicts else ""
    later, earlier = other_bans(ban)
    context = {
        **page_context(request, gettext("Review: %(person)s") % {"person": ban.target.username}),
        **of_queue(request, scope),
        "ban": ban,
        "facts": _facts(ban, now),
        "card": card_of(request, ban.target, now=now, without=["accounts.view_personnote"]),
        "notes": _notes(request, ban.target, back=scope.url("review_case", ban.pk)),
        "stream": _stream(request, ban.stream, now),
        "appeal": _appeal(ban, now),
        "others": [(_("Later bans"), _rows(later, scope, now)), (_("Earlier bans"), _rows(earlier, scope, now))],
        "trail": _trail(request, ban),
        "form": form or DecisionForm(ban),
        "verdicts": verdicts,
        "changes": changes_of(ban, by=user, now=now) if verdicts else [],
        "appeal_choices": [(Appeal.State.APPROVED, _("grant the appeal")), (Appeal.State.DENIED, _("deny the appeal"))],
        "may_decide": may_decide(request),
        "seen": version_of_ban(ban),
        "problem": problem,
        "holder": holder,
        "stay": user.preferences.stay_on_case,
        "ban_url": page_of(ban),
        "skip_url": scope.url("review_skip", ban.pk),
        "claim_url": scope.url("review_claim", ban.pk),
        "next_url": scope.url("review"),
        "texts": TEXTS,
        "shortcuts": SHORTCUTS if verdicts else [],
        "shortcuts_title": _("Review"),
    }
    return TemplateResponse(request, "admin/review.html", context, status=status)


def _claimed(request: HttpRequest, ban: LiveStreamBan, user: User, now: datetime) -> str:
    """Takes the claim if it is free. Returns who else has it, as a sentence; empty if nobody."""
    if request.method == "HEAD":
        return ""
    try:
        take_claim(ban.pk, by=user, now=now)
    except BanClaimed:
        return looked_at(ban, user, now)
    return ""


def looked_at(ban: LiveStreamBan, user: User, now: datetime) -> str:
    claim: ReviewClaim | None = getattr(ban, "claim", None)
    if claim is None or claim.moderator_id == user.pk or claim.until <= now:
        return gettext("Another moderator is looking at this ban.")
    return gettext("%(who)s is looking at this ban.") % {"who": claim.moderator.username}


def _facts(ban: LiveStreamBan, now: datetime) -> list[tuple[Any, Any, Any]]:
    """Label, value and detail of each fact about the ban."""
    state, detail = _holding(ban, now)
    facts: list[tuple[Any, Any, Any]] = [
        (_("Kind"), ban.get_action_type_display(), ""),
        (_("Reason"), ban.reason or "–", ""),
        (_("Banned by"), ban.created_by.username, _role_of_maker(ban)),
        (_("Banned"), how_long_ago(ban.created_at, now=now), written(ban.created_at)),
        (_("Runs"), state, detail),
    ]
    if ban.reviewed_by is not None and ban.reviewed_at is not None:
        by = f"{ban.reviewed_by.username}, {written(ban.reviewed_at)}"
        facts.append((_("Last verdict"), ban.get_review_display(), by))
    return facts


def _role_of_maker(ban: LiveStreamBan) -> Any:
    if ban.created_by_id == ban.stream.creator_id:
        return _("creator of the stream")
    return _("moderator") if ban.batch_id is None else _("moderator, many at once")


def _holding(ban: LiveStreamBan, now: datetime) -> tuple[str, str]:
    """Of a ban that holds, how long it still does."""
    if not ban.holds(now):
        return holding_words(ban, now)
    if ban.expires_at is None:
        return gettext("until it is lifted"), ""
    left = timeuntil(ban.expires_at, now, depth=2)
    return gettext("%(time)s more") % {"time": left}, written(ban.expires_at)


def _stream(request: HttpRequest, stream: LiveStream, now: datetime) -> dict[str, Any]:
    is_live = stream.status == Status.ACTIVE
    since = ""
    if is_live and stream.started_at:
        since = gettext("live for %(time)s") % {"time": timesince(stream.started_at, now, depth=1)}
    return {
        "title": stream.title,
        "url": page_of(stream) if request.user.has_perm("livestreams.view_livestream") else "",
        "creator": stream.creator.username,
        "is_live": is_live,
        "state": pgettext("state", "deleted") if stream.is_deleted else stream.get_status_display(),
        "since": since,
    }


def _appeal(ban: LiveStreamBan, now: datetime) -> dict[str, Any] | None:
    appeal = ban.appeal_or_none
    if appeal is None:
        return None
    return {
        "text": appeal.text,
        "state": appeal.get_state_display(),
        "is_pending": appeal.state == Appeal.State.PENDING,
        "age": how_long_ago(appeal.created_at, now=now),
        "moment": written(appeal.created_at),
    }


def _notes(request: HttpRequest, person: User, *, back: str) -> dict[str, Any] | None:
    """The newest notes about the person, for those who may read them."""
    if not request.user.has_perm("accounts.view_personnote"):
        return None
    return notes_of(person.pk, by=cast("User", request.user), most=NOTES_SHOWN, back=back)


def _rows(bans: list[LiveStreamBan], scope: Scope, now: datetime) -> list[dict[str, Any]]:
    return [
        {
            "url": scope.url("review_case", ban.pk),
            "moment": written(ban.created_at),
            "stream": ban.stream.title,
            "kind": ban.get_action_type_display(),
            "reason": ban.reason or "–",
            "runs": _holding(ban, now)[0],
            "review": ban.get_review_display(),
            "by": ban.created_by.username,
        }
        for ban in bans
    ]


def _trail(request: HttpRequest, ban: LiveStreamBan) -> list[Worded]:
    """The newest entries about the ban and its appeal, newest first."""
    if not request.user.has_perm("common.view_auditentry"):
        return []
    return worded_entries(newest_entries("livestreamban", ban.pk, TRAIL_SHOWN), request)


TEXTS = {
    "ban": _("The ban"),
    "person": _("Banned person"),
    "notes": _("Notes"),
    "stream": _("Stream"),
    "appeal": _("Appeal"),
    "decision": _("Decision"),
    "presets": _("Reasons"),
    "changes": _("Change to"),
    "appeal_too": _("And the appeal:"),
    "choose": _("Choose a decision"),
    "change_to": _("Change to:"),
    "choose_change": _("Choose what the ban is changed to."),
    "stay": _("Stay on this ban after deciding"),
    "skip": _("Skip"),
    "more": _("All about this ban"),
    "take_over": _("Take over"),
    "no_decision": _("There is nothing to decide about this ban now."),
    "not_allowed": _("You may look at bans, and not decide about them."),
    "next": _("Next ban"),
    "trail": _("Audit trail"),
    "session_over": _("Your session has ended. What you wrote is kept in this browser: log in again to go on."),
    "log_in": _("Log in"),
    "kept": _("What you wrote"),
    "others_of": _("Other bans of this person"),
    "none": _("none"),
    "keys": _("Keys"),
}
# Keys and what they do, for the dialog that lists all keys.
SHORTCUTS = [
    (["u"], _("Keep the ban")),
    (["l"], _("Lift the ban")),
    (["c"], _("Change the ban")),
    (["1–9"], _("Choose the reason, or what to change to, with this number")),
    (["Ctrl", "Enter"], _("Decide, and open the next ban")),
    (["s"], _("Skip")),
    (["z"], _("Undo the last decision")),
]
