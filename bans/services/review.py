"""The review of a ban by a moderator: who decides first decides, and the other is told."""

from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from bans.models import Appeal, LiveStreamBan
from bans.services.appeals import decide_appeal
from bans.services.bans import ActionType, BanLapsed, BanLifted, Review, locked_ban, refuse_past_end, write_ban
from common.refusals import Conflict


class BanReviewed(Conflict):
    code = "ban_already_reviewed"
    message = _("another moderator has reviewed the ban already")


class BanUnchanged(Conflict):
    code = "ban_not_changed"
    message = _("the ban is like that already; uphold it instead")


@transaction.atomic
def review_ban(
    ban_id: str, *, by: User, now: datetime, verdict: Review, reason: str, changes: dict[str, Any] | None = None
) -> LiveStreamBan:
    """Uphold, change or lift a ban, and decide the appeal that is pending against it.

    With CHANGED, `changes` names action_type, expires_at or both, and the rules of `change_ban` hold; the appeal is
    approved unless the ban became harder. UPHELD denies it and LIFTED approves it. A verdict binds the other
    moderators, until a new appeal asks for another look.
    Raises BanMissing, BanReviewed, BanLifted, BanLapsed, BanUnchanged, Invalid.
    """
    ban = locked_ban(ban_id)
    appealed = Appeal.objects.filter(ban=ban, state=Appeal.State.PENDING).exists()
    if not appealed:
        _refuse_reviewed(ban, by)
    if ban.is_deleted:
        raise BanLifted
    values: dict[str, Any] = {}
    approved = False
    match verdict:
        case Review.UPHELD if ban.review == Review.UPHELD and not appealed:
            return ban
        case Review.UPHELD:
            pass
        case Review.LIFTED:
            values = {"deleted_at": now, "deleted_by_id": by.pk}
            approved = True
        case Review.CHANGED:
            values = _differing(ban, changes or {}, now)
            approved = not _is_harder(ban, values)
        case _:
            raise ValueError(verdict)
    values |= {"review": verdict, "reviewed_by_id": by.pk, "reviewed_at": now}
    write_ban(ban, "review_ban", by=by, now=now, why=reason, **values)
    decision = Appeal.State.APPROVED if approved else Appeal.State.DENIED
    decide_appeal(ban, decision, by=by, now=now, reason=reason)
    return ban


def _refuse_reviewed(ban: LiveStreamBan, by: User) -> None:
    """Whoever decided may think better of it; anybody else may not."""
    reviewer, moment = ban.reviewed_by, ban.reviewed_at
    if reviewer is None or moment is None or reviewer.pk == by.pk:
        return
    told = _("%(reviewer)s has reviewed the ban already, on %(moment)s: %(verdict)s")
    raise BanReviewed(
        told
        % {
            "reviewer": reviewer.username,
            "moment": timezone.localtime(moment).strftime("%Y-%m-%d %H:%M:%S %Z"),
            "verdict": ban.get_review_display(),
        }
    )


def _differing(ban: LiveStreamBan, changes: dict[str, Any], now: datetime) -> dict[str, Any]:
    if not ban.holds(now):
        raise BanLapsed
    refuse_past_end(changes.get("expires_at"), now)
    values = {name: value for name, value in changes.items() if getattr(ban, name) != value}
    if not values:
        raise BanUnchanged
    return values


def _is_harder(ban: LiveStreamBan, values: dict[str, Any]) -> bool:
    end = values.get("expires_at", ban.expires_at)
    longer = ban.expires_at is not None and (end is None or end > ban.expires_at)
    return longer or values.get("action_type") == ActionType.BLOCK
