"""Review bans. The first verdict binds other moderators; who has the permission `bans.overrule` may replace it.

`refuse_review` and `refuse_overruling` are the rules. Commands check them under the lock, and the admin offers the
actions that they allow. The rules are explained in docs/decisions/0020-verdicts.md.
"""

from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from bans.hooks import HOLDS_AGAIN, VerdictNews, report_verdicts
from bans.models import LONGEST_MESSAGE, Appeal, LiveStreamBan
from bans.services.appeals import BanMissing, redecide_appeal
from bans.services.bans import (
    ActionType,
    AlreadyBanned,
    BanLapsed,
    BanLifted,
    Review,
    locked_ban,
    refuse_past_end,
    refuse_protected,
    targets,
    write_ban,
)
from common.refusals import Conflict, Forbidden, Invalid
from common.times import written_exactly
from livestreams.models import LiveStream

State = Appeal.State


class BanReviewed(Conflict):
    code = "ban_already_reviewed"
    message = _("another moderator has reviewed the ban already")


class BanUnchanged(Conflict):
    code = "ban_not_changed"
    message = _("nothing was changed: the ban is like that already")


class AppealUndecided(Conflict):
    code = "appeal_undecided"
    message = _("the change makes the ban harder, and an appeal is pending: say whether it is approved or denied")


class OwnBan(Conflict):
    code = "own_ban_waits_for_others"
    message = _("you made this ban, and others may review it first")


class OverrulingRefused(Forbidden):
    code = "overruling_by_superusers_only"
    message = _("only who has the permission to overrule verdicts may do this")


class NothingToOverrule(Conflict):
    code = "ban_not_reviewed"
    message = _("nobody has reviewed the ban yet; there is no verdict to overrule")


class BanChangedMeanwhile(Conflict):
    code = "ban_changed_meanwhile"
    message = _("the ban was changed while the form was open; look at it again")


def version_of_ban(ban: LiveStreamBan) -> str:
    """A version that differs whenever the ban or its appeal has changed.

    Costs a statement when the appeal was not read with the ban.
    """
    appeal = ban.appeal_or_none
    return f"{ban.updated_at.isoformat()} {appeal.state if appeal else ''}".strip()


# --- rules ----------------------------------------------------------------------------------------


def refuse_review(
    ban: LiveStreamBan,
    *,
    by: User,
    now: datetime,
    verdict: Review,
    changes: dict[str, Any] | None = None,
    decision: str | None = None,
) -> None:
    """Raises BanReviewed, BanLifted, BanLapsed, BanUnchanged, AppealUndecided, OwnBan, Invalid.

    Without `changes`, CHANGED is refused only if no change is possible.
    """
    pending = ban.pending_appeal is not None
    if not pending:
        _refuse_reviewed(ban, by)
    if ban.is_deleted:
        raise BanLifted
    if verdict == Review.UPHELD and ban.review == Review.UPHELD and not pending:
        raise BanUnchanged
    if verdict == Review.CHANGED:
        _refuse_change(ban, changes, now)
        if changes and pending and decision is None and is_harder(ban, changes):
            raise AppealUndecided
    if verdict == Review.UPHELD or (verdict == Review.CHANGED and changes and is_harder(ban, changes)):
        _refuse_own(ban, by, now)


def refuse_overruling(
    ban: LiveStreamBan, *, by: User, now: datetime, verdict: Review, changes: dict[str, Any] | None = None
) -> None:
    """Raises OverrulingRefused, NothingToOverrule, BanUnchanged, BanLifted, BanLapsed, AlreadyBanned, Invalid.

    If a verdict lifted the ban, UPHELD makes it hold again. Then it also raises the refusals
    of `refuse_protected`.
    """
    if not may_overrule(by):
        raise OverrulingRefused
    if ban.review == Review.UNREVIEWED:
        raise NothingToOverrule
    if verdict == Review.UPHELD:
        _refuse_upholding(ban, by, now)
    elif ban.is_deleted:
        raise BanLifted
    elif verdict == Review.CHANGED:
        _refuse_change(ban, changes, now)


def may_overrule(user: User) -> bool:
    return user.has_perm("bans.overrule")


def _refuse_upholding(ban: LiveStreamBan, by: User, now: datetime) -> None:
    if ban.review == Review.UPHELD:
        raise BanUnchanged
    if not ban.is_deleted:
        return
    if ban.review != Review.LIFTED:  # lifted after the verdict, outside a review
        raise BanLifted
    if ban.expires_at is not None and ban.expires_at <= now:
        raise BanLapsed
    refuse_overlap(ban, ban.expires_at)
    refuse_protected_now(ban, by=by)


def refuse_overlap(ban: LiveStreamBan, end: datetime | None) -> None:
    """Raises AlreadyBanned if another ban of the person on the stream holds at some time before `end` of this one."""
    overlaps = Q(expires_at__isnull=True) | Q(expires_at__gt=ban.created_at)
    if end is not None:
        overlaps &= Q(created_at__lt=end)
    others = LiveStreamBan.objects.filter(overlaps, stream=ban.stream_id, target=ban.target_id).exclude(pk=ban.pk)
    if holds := others.values_list("pk", flat=True).first():
        raise AlreadyBanned(holds)


def refuse_protected_now(ban: LiveStreamBan, *, by: User) -> None:
    """Raises BanMissing, and a ProtectedPerson refusal if the person could not be banned from the stream today."""
    stream = LiveStream.all_objects.filter(pk=ban.stream_id).first()
    target = targets().filter(pk=ban.target_id).first()
    if stream is None or target is None:
        # Purged in the meantime, and the ban with them.
        raise BanMissing
    refuse_protected(stream, target, by=by)


def _refuse_reviewed(ban: LiveStreamBan, by: User) -> None:
    """Raises BanReviewed unless the ban is unreviewed or `by` is its reviewer."""
    reviewer, moment = ban.reviewed_by, ban.reviewed_at
    if reviewer is None or moment is None or reviewer.pk == by.pk:
        return
    message = _("%(reviewer)s has reviewed the ban already, on %(moment)s: %(verdict)s")
    raise BanReviewed(
        message
        % {
            "reviewer": reviewer.username,
            "moment": written_exactly(moment),
            "verdict": ban.get_review_display(),
        }
    )


def _refuse_own(ban: LiveStreamBan, by: User, now: datetime) -> None:
    """Nobody confirms an own ban before others could review it: see `BanQuerySet.offered_to`."""
    if ban.created_by_id != by.pk:
        return
    appeal = ban.pending_appeal
    begin = appeal.created_at if appeal else ban.created_at
    until = begin + settings.REVIEW_OWN_BANS_AFTER
    if now < until:
        message = _("you made this ban: until %(moment)s others may review it first; you may lift or soften it")
        raise OwnBan(message % {"moment": written_exactly(until)})


def _refuse_change(ban: LiveStreamBan, changes: dict[str, Any] | None, now: datetime) -> None:
    if not ban.holds(now):
        raise BanLapsed
    if changes is None:
        return
    refuse_past_end(changes.get("expires_at"), now)
    if not _differing(ban, changes):
        raise BanUnchanged


def _differing(ban: LiveStreamBan, changes: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in changes.items() if getattr(ban, name) != value}


def ends_later(ban: LiveStreamBan, end: datetime | None) -> bool:
    """Whether `end` is later than that of the ban. None is no end."""
    return ban.expires_at is not None and (end is None or end > ban.expires_at)


def is_harder(ban: LiveStreamBan, changes: dict[str, Any]) -> bool:
    """Whether the ban would hold longer, or no longer let the person watch."""
    values = _differing(ban, changes)
    end = values.get("expires_at", ban.expires_at)
    return ends_later(ban, end) or values.get("action_type") == ActionType.BLOCK


# --- commands -------------------------------------------------------------------------------------


@transaction.atomic
def review_ban(
    ban_id: str,
    *,
    by: User,
    now: datetime,
    verdict: Review,
    reason: str,
    changes: dict[str, Any] | None = None,
    decision: str | None = None,
    seen: str | None = None,
    message: str = "",
) -> LiveStreamBan:
    """Uphold, change or lift a ban, and decide the appeal that is pending against it.

    With CHANGED, `changes` names action_type, expires_at or both. UPHELD denies the appeal and LIFTED approves it.
    CHANGED approves it unless `decision` says otherwise; a change that makes the ban harder needs a `decision`.
    A verdict binds the other moderators until somebody appeals against the ban.
    `seen` is the version (see `version_of_ban`) that the moderator saw. `message`, of at most LONGEST_MESSAGE
    characters, is what the banned person reads about the verdict; `reason` is for moderators only.
    Raises BanMissing, BanChangedMeanwhile, Invalid, and what `refuse_review` raises.
    """
    refuse_long_message(message)
    ban = _locked(ban_id, seen)
    refuse_review(ban, by=by, now=now, verdict=verdict, changes=changes or {}, decision=decision)
    is_pending = ban.pending_appeal is not None
    values = verdict_values(verdict, changes, message, by=by, now=now)
    before = seen_by_person(ban)
    write_ban(ban, "review_ban", by=by, now=now, why=reason, **values)
    decided = _decision(verdict, decision) if is_pending else None
    if decided:
        redecide_appeal(ban, decided, by=by, now=now, reason=reason)
    report_verdicts([news_of(ban, before, decided)], now=now)
    return ban


@transaction.atomic
def overrule_review(
    ban_id: str,
    *,
    by: User,
    now: datetime,
    verdict: Review,
    reason: str,
    changes: dict[str, Any] | None = None,
    decision: str | None = None,
    seen: str | None = None,
    message: str = "",
) -> LiveStreamBan:
    """Replace the verdict on a ban. The audit row names the previous and the new reviewer.

    The new verdict also decides the appeal, as in `review_ban`, even if it was decided before; but CHANGED without a
    `decision` leaves it as it is. UPHELD instead of LIFTED makes the ban hold again, with its old values. `message`
    replaces that of the previous verdict, also when it is empty.
    Raises BanMissing, BanChangedMeanwhile, Invalid, and what `refuse_overruling` raises.
    """
    refuse_long_message(message)
    ban = _locked(ban_id, seen)
    refuse_overruling(ban, by=by, now=now, verdict=verdict, changes=changes or {})
    before = {"reviewer": ban.reviewed_by.get_username() if ban.reviewed_by else None}
    values = verdict_values(verdict, changes, message, by=by, now=now)
    if verdict == Review.UPHELD and ban.is_deleted:
        values |= {"deleted_at": None, "deleted_by_id": None}
    noted = before, {"reviewer": by.get_username()}
    seen_before = seen_by_person(ban)
    write_ban(ban, "overrule_review", by=by, now=now, why=reason, noted=noted, **values)
    decided = None
    if verdict != Review.CHANGED or decision is not None:
        decided = redecide_appeal(ban, _decision(verdict, decision), by=by, now=now, reason=reason)
    report_verdicts([news_of(ban, seen_before, decided)], now=now)
    return ban


def seen_by_person(ban: LiveStreamBan) -> tuple[Any, ...]:
    """What the banned person notices of a ban."""
    return ban.is_deleted, ban.action_type, ban.expires_at


def news_of(ban: LiveStreamBan, before: tuple[Any, ...], decided: str | None) -> VerdictNews | None:
    """What the verdict that was just written says to the banned person; None when it is nothing new.

    `before` is what `seen_by_person` returned before the verdict, `decided` the state that it gave to the appeal.
    """
    if decided is None and not ban.verdict_message and seen_by_person(ban) == before:
        return None
    verdict = HOLDS_AGAIN if before[0] and not ban.is_deleted else ban.review
    return VerdictNews(ban, verdict, decided, ban.verdict_message)


def _locked(ban_id: str, seen: str | None) -> LiveStreamBan:
    ban = locked_ban(ban_id)
    if seen is not None and seen != version_of_ban(ban):
        raise BanChangedMeanwhile
    return ban


def refuse_long_message(message: str) -> None:
    """Raises Invalid."""
    if len(message) > LONGEST_MESSAGE:
        raise Invalid("message", _("must have at most %(most)d characters") % {"most": LONGEST_MESSAGE})


def verdict_values(
    verdict: Review, changes: dict[str, Any] | None, message: str, *, by: User, now: datetime
) -> dict[str, Any]:
    """The values of a ban after the verdict, by column."""
    values: dict[str, Any] = {"review": verdict, "reviewed_by_id": by.pk, "reviewed_at": now}
    values["verdict_message"] = message or None
    match verdict:
        case Review.UPHELD:
            return values
        case Review.LIFTED:
            return values | {"deleted_at": now, "deleted_by_id": by.pk}
        case Review.CHANGED:
            return values | (changes or {})
    raise ValueError(verdict)


def _decision(verdict: Review, decision: str | None) -> str:
    match verdict:
        case Review.UPHELD:
            return State.DENIED
        case Review.LIFTED:
            return State.APPROVED
    return decision or State.APPROVED
