"""Take back the last verdict on a ban, as long as nobody has objected or changed anything since.

What the verdict changed is in its audit row. If that is the newest row about the ban, nothing was changed since: rows
of the trail are in the order of changes, because they are written under the lock of the ban. A verdict whose row was
archived cannot be taken back any more. The rules are explained in docs/decisions/0037-verdicts-undo-and-messages.md.
"""

from datetime import datetime
from typing import Any, NamedTuple

from django.db import models, transaction
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from bans.hooks import VERDICT_WITHDRAWAL
from bans.models import Appeal, BanState, LiveStreamBan, state_at
from bans.services.appeals import restore_appeal
from bans.services.bans import BanLapsed, Review, locked_ban, write_ban
from bans.services.review import ends_later, may_overrule, refuse_overlap, refuse_protected_now
from common.models import AuditEntry
from common.refusals import Conflict, Forbidden
from common.times import written_exactly

REVIEWING, OVERRULING, UNDOING = "review_ban", "overrule_review", "undo_review"
DECIDING = ("approve_appeal", "deny_appeal")
# The columns that a verdict may change, as its audit row names them.
RESTORED = (
    "review",
    "reviewed_by_id",
    "reviewed_at",
    "verdict_message",
    "action_type",
    "expires_at",
    "deleted_at",
    "deleted_by_id",
)


class UndoRefused(Forbidden):
    code = "undo_by_reviewer_only"
    message = _("only who gave the verdict, or who may overrule it, may take it back")


class NothingToUndo(Conflict):
    code = "no_verdict_to_undo"
    message = _("there is no verdict on the ban that could be taken back")


class VerdictFollowed(Conflict):
    code = "verdict_not_last"
    message = _("the ban or its appeal has changed since the verdict; it cannot be taken back")


class LastVerdict(NamedTuple):
    """What the last verdict replaced: values of the ban by column, and the state of the appeal if it decided one."""

    values: dict[str, Any]
    appeal: Appeal | None
    appeal_state: str | None


# --- rules ----------------------------------------------------------------------------------------


def refuse_undo(ban: LiveStreamBan, *, by: User, now: datetime) -> None:
    """Raises UndoRefused, NothingToUndo, VerdictFollowed; and what a new ban would raise, if the ban would hold again:
    BanLapsed, AlreadyBanned, BanMissing, and a ProtectedPerson refusal.
    """
    _verdict_to_undo(ban, by=by, now=now)


def _verdict_to_undo(ban: LiveStreamBan, *, by: User, now: datetime) -> LastVerdict:
    if ban.review == Review.UNREVIEWED:
        raise NothingToUndo
    if ban.reviewed_by_id != by.pk and not may_overrule(by):
        raise UndoRefused
    verdict = _last_verdict(ban)
    _refuse_return(ban, verdict.values, by=by, now=now)
    return verdict


def _last_verdict(ban: LiveStreamBan) -> LastVerdict:
    """Raises NothingToUndo, VerdictFollowed."""
    newest = _rows_about(ban).first()
    if newest is None or newest.action == UNDOING:
        raise NothingToUndo
    if newest.action not in (REVIEWING, OVERRULING):
        raise _followed_by(newest)
    values = {name: _parsed(name, newest.before[name]) for name in RESTORED if name in newest.before}
    appeal = ban.appeal_or_none
    if appeal is None:
        return LastVerdict(values, None, None)
    # A verdict writes the row of its decision on the appeal right after its own. Other decisions on an appeal change
    # the ban, and would be the newest row about it.
    later = _rows_about(appeal).filter(pk__gt=newest.pk).first()
    if later is None:
        return LastVerdict(values, appeal, None)
    if later.action not in DECIDING:
        raise _followed_by(later)
    return LastVerdict(values, appeal, later.before["state"])


def _rows_about(target: LiveStreamBan | Appeal) -> Any:
    return AuditEntry.objects.filter(target_id=target.pk, target_type=target._meta.model_name).order_by("-id")


def _followed_by(row: AuditEntry) -> VerdictFollowed:
    if not row.actor_name:
        return VerdictFollowed()
    message = _("%(who)s has changed the ban or its appeal since the verdict, on %(moment)s; it cannot be taken back")
    return VerdictFollowed(message % {"who": row.actor_name, "moment": written_exactly(row.at)})


def _parsed(name: str, value: Any) -> Any:
    field = LiveStreamBan._meta.get_field(name)
    assert isinstance(field, models.Field)  # noqa: S101 - a column
    return field.to_python(value)


def _refuse_return(ban: LiveStreamBan, values: dict[str, Any], *, by: User, now: datetime) -> None:
    """Refuse to restore `values` if the ban would hold again, or longer, and may not."""
    if values.get("deleted_at", ban.deleted_at) is not None:
        return
    end = values.get("expires_at", ban.expires_at)
    holds_again = state_at(None, end, now) == BanState.ACTIVE
    # A ban that had lapsed before it was lifted does not come back: only its review does.
    if ban.deleted_at is not None and end is not None and ban.deleted_at < end <= now:
        raise BanLapsed
    if ban.is_deleted or ends_later(ban, end):
        refuse_overlap(ban, end)
    if holds_again and not ban.holds(now):
        refuse_protected_now(ban, by=by)


# --- the command ----------------------------------------------------------------------------------


@transaction.atomic
def undo_review(ban_id: str, *, by: User, now: datetime) -> LiveStreamBan:
    """Restore the ban, its appeal and its review to what they were before the last verdict.

    So the ban may wait for a review again, or have its previous verdict and reviewer. Raises BanMissing, and what
    `refuse_undo` raises.
    """
    ban = locked_ban(ban_id)
    verdict = _verdict_to_undo(ban, by=by, now=now)
    reviewed_at = ban.reviewed_at
    write_ban(ban, UNDOING, by=by, now=now, **verdict.values)
    if verdict.appeal is not None and verdict.appeal_state is not None:
        restore_appeal(verdict.appeal, verdict.appeal_state, by=by, now=now)
    if reviewed_at is not None:
        VERDICT_WITHDRAWAL.function()(ban, reviewed_at=reviewed_at, now=now)
    return ban
