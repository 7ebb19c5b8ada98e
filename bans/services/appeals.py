"""Make, withdraw and decide appeals. Each command locks the ban first."""

from collections.abc import Sequence
from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from bans.hooks import VerdictNews, report_verdicts
from bans.models import Appeal, LiveStreamBan
from common import audit
from common.queries import ID, Param, Question
from common.refusals import Conflict, Forbidden, Missing
from common.writes import Write

State = Appeal.State

_PENDING = Question(lambda: Appeal.objects.filter(ban=Param("ban", ID), state=State.PENDING))


class BanMissing(Missing):
    code = "ban_not_found"
    message = _("there is no ban with this id")


class NotTheBannedPerson(Forbidden):
    code = "not_the_banned_person"
    message = _("only the banned person may do this")


class NothingToAppeal(Conflict):
    code = "ban_does_not_hold"
    message = _("the ban does not hold any more; there is nothing to appeal against")


class AlreadyAppealed(Conflict):
    code = "already_appealed"
    message = _("there is an appeal against this ban already")


class AppealMissing(Missing):
    code = "appeal_not_found"
    message = _("there is no appeal against this ban")


class AppealDecided(Conflict):
    code = "appeal_already_decided"
    message = _("the appeal has been decided or withdrawn already")


@transaction.atomic
def appeal_ban(ban_id: str, *, by: User, now: datetime, text: str) -> Appeal:
    """Appeal against a ban that holds; once for each ban.

    Raises BanMissing, NotTheBannedPerson, NothingToAppeal, AlreadyAppealed.
    """
    ban = _locked_own_ban(ban_id, by=by)
    if not ban.holds(now):
        raise NothingToAppeal
    if Appeal.objects.filter(ban=ban).exists():
        raise AlreadyAppealed
    appeal = Appeal(ban=ban, text=text, created_at=now, updated_at=now)
    appeal.save(force_insert=True)
    after = {"ban_id": ban.pk, "state": appeal.state, "text": text}
    audit.record("appeal_ban", appeal, by=by, now=now, before={}, after=after)
    return appeal


@transaction.atomic
def withdraw_appeal(ban_id: str, *, by: User, now: datetime) -> Appeal:
    """Raises BanMissing, NotTheBannedPerson, AppealMissing, AppealDecided."""
    ban = _locked_own_ban(ban_id, by=by)
    appeal = Appeal.objects.filter(ban=ban).first()
    if appeal is None:
        raise AppealMissing
    if appeal.state != State.PENDING:
        raise AppealDecided
    _set_state("withdraw_appeal", [appeal], State.WITHDRAWN, by=by, now=now)
    return appeal


def decide_appeal(
    ban: LiveStreamBan,
    state: str,
    *,
    by: User | None,
    now: datetime,
    reason: str = "",
    beside: Sequence[Write] = (),
) -> bool:
    """Approve or deny the appeal against a locked ban, if one is pending. `beside` are further writes of the change.

    Returns whether one was pending.
    """
    pending: Appeal | None = _PENDING.instance(ban=ban.pk, beside=beside)
    if pending is None:
        return False
    _set_state(_verb(state), [pending], state, by=by, now=now, reason=reason)
    return True


def redecide_appeal(ban: LiveStreamBan, state: str, *, by: User, now: datetime, reason: str) -> str | None:
    """Approve or deny the appeal against a locked ban, even if it was decided before. If withdrawn, it stays so.

    Returns the state if it is new.
    """
    appeal = ban.appeal_or_none
    if appeal is None or appeal.state in (State.WITHDRAWN, state):
        return None
    _set_state(_verb(state), [appeal], state, by=by, now=now, reason=reason)
    return state


def restore_appeal(appeal: Appeal, state: str, *, by: User, now: datetime) -> None:
    """Set the state that the appeal had before a verdict that is taken back. Its ban is locked."""
    verb = "reopen_appeal" if state == State.PENDING else _verb(state)
    _set_state(verb, [appeal], state, by=by, now=now)


def _verb(state: str) -> str:
    return "approve_appeal" if state == State.APPROVED else "deny_appeal"


def decide_appeals(
    bans: Sequence[LiveStreamBan], state: str, *, by: User | None, now: datetime, reason: str = ""
) -> list[LiveStreamBan]:
    """Approve or deny all pending appeals against these bans, which `locked_batch` returned.

    Returns the bans that had one.
    """
    appealed = [ban for ban in bans if ban.pending_appeal]
    if appealed:
        _set_state(_verb(state), [ban.appeal for ban in appealed], state, by=by, now=now, reason=reason)
    return appealed


def report_lifts(bans: Sequence[LiveStreamBan], *, now: datetime) -> None:
    """Report to the banned people that their appeals were approved by lifts outside a review."""
    report_verdicts((VerdictNews(ban, LiveStreamBan.Review.LIFTED, State.APPROVED) for ban in bans), now=now)


def _locked_own_ban(ban_id: str, *, by: User) -> LiveStreamBan:
    """Only the ban is locked, not its stream: an appeal changes nothing that edges read."""
    ban = LiveStreamBan.all_objects.locked(ban_id, otherwise=BanMissing)
    if ban.target_id != by.pk:
        raise NotTheBannedPerson
    return ban


def _set_state(
    verb: str, appeals: list[Appeal], state: str, *, by: User | None, now: datetime, reason: str = ""
) -> None:
    now = max([now, *(appeal.updated_at for appeal in appeals)])
    Appeal.objects.filter(pk__in=[appeal.pk for appeal in appeals]).update(state=state, updated_at=now)
    changes = [(appeal, {"state": appeal.state}, {"state": state}) for appeal in appeals]
    audit.record_many(verb, changes, by=by, now=now, reason=reason)
    for appeal in appeals:
        appeal.state, appeal.updated_at = state, now
