"""Make, change and lift single bans.

The stream is locked before its bans. So the people who are protected from bans (its guest, for example) cannot change
during the command, and the revocations of a stream are numbered in the order of commits.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import models, transaction
from django.db.models import Exists, OuterRef, Q, Subquery
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.models import User, holders_of
from accounts.services import UserMissing
from bans.models import Appeal, LiveStreamBan
from bans.services.appeals import BanMissing, decide_appeal, report_lifts
from common import audit
from common.queries import ID, TIME, Param, Question
from common.refusals import Conflict, Forbidden, Invalid
from common.writes import Write, insertion, run, update
from edges.services import new_revocations, record_revocations
from livestreams.models import GuestStatus, LiveStream, Status
from livestreams.services import StreamMissing, take_stream_lock

ActionType = LiveStreamBan.ActionType
Review = LiveStreamBan.Review
OPEN_FOR_BANS = (Status.SCHEDULED, Status.PREPARING, Status.ACTIVE)
LIFTED = "LIFTED"  # the action of a revocation when no ban restricts the person any more
RESTRICTING = {"action_type", "expires_at", "deleted_at"}  # a change of these columns needs a revocation


class StreamOver(Conflict):
    code = "stream_is_over"
    message = _("the stream is over; nobody can be banned from it any more")


class AlreadyBanned(Conflict):
    code = "already_banned"
    message = _("a ban of this person on this stream holds already; change that one")

    def __init__(self, ban_id: str) -> None:
        self.ban_id = ban_id
        super().__init__()

    @property
    def reasons(self) -> list[str]:
        return [*super().reasons, gettext("the ban: %(id)s") % {"id": self.ban_id}]


class BanLifted(Conflict):
    code = "ban_already_lifted"
    message = _("the ban has been lifted already")


class BanLapsed(Conflict):
    code = "ban_lapsed"
    message = _("the ban has ended by itself; make a new one")


class ProtectedPerson(Forbidden):
    """Nobody may ban this person, through any entry point."""


class CannotBanOneself(ProtectedPerson):
    code = "cannot_ban_oneself"
    message = _("you cannot ban yourself")


class CannotBanCreator(ProtectedPerson):
    code = "cannot_ban_creator"
    message = _("the creator of the stream cannot be banned from it")


class CannotBanGuest(ProtectedPerson):
    code = "cannot_ban_guest"
    message = _("a guest of the stream cannot be banned from it")


class CannotBanStaff(ProtectedPerson):
    code = "cannot_ban_staff"
    message = _("staff and moderators cannot be banned")


PROTECTED = (CannotBanOneself, CannotBanCreator, CannotBanGuest, CannotBanStaff)

_CREATOR = Question(lambda: LiveStream.objects.filter(pk=Param("id", ID)).values_list("creator_id"))
_LOCKED_STREAM = Question(lambda: LiveStream.objects.filter(pk=Param("id", ID)).for_update())
_STREAM_OF = Question(lambda: LiveStreamBan.all_objects.filter(pk=Param("id", ID)).values_list("stream_id"))
_LOCKED_BAN = Question(
    lambda: LiveStreamBan.all_objects.filter(pk=Param("id", ID), stream=Param("stream", ID)).for_update()
)


# --- steps ----------------------------------------------------------------------------------------


def creator_of_stream(stream_id: str) -> str:
    """Raises StreamMissing."""
    rows = _CREATOR.rows(id=stream_id)
    if not rows:
        raise StreamMissing
    creator_id: str = rows[0][0]
    return creator_id


def locked_stream(stream_id: str, *, open_for_bans: bool) -> LiveStream:
    take_stream_lock(stream_id)
    stream: LiveStream | None = _LOCKED_STREAM.instance(id=stream_id)
    if stream is None:
        raise StreamMissing
    if open_for_bans and not is_open_for_bans(stream):
        raise StreamOver
    return stream


def is_open_for_bans(stream: LiveStream) -> bool:
    return not stream.is_deleted and stream.status in OPEN_FOR_BANS


def locked_ban(ban_id: str, stream_id: str | None = None) -> LiveStreamBan:
    """Take the advisory lock of the stream, then lock the ban. The bans of a deleted stream can still be locked.

    `stream_id` saves a statement where the caller has read it. Raises BanMissing, also when the stream and its bans are
    purged before they are locked.
    """
    if stream_id is None:
        rows = _STREAM_OF.rows(id=ban_id)
        if not rows:
            raise BanMissing
        stream_id = rows[0][0]
    take_stream_lock(stream_id)
    ban: LiveStreamBan | None = _LOCKED_BAN.instance(id=ban_id, stream=stream_id)
    if ban is None:
        raise BanMissing
    return ban


def locked_holding_ban(ban_id: str, stream_id: str | None, now: datetime) -> LiveStreamBan:
    """Raises BanMissing, BanLifted, BanLapsed."""
    ban = locked_ban(ban_id, stream_id)
    if ban.is_deleted:
        raise BanLifted
    if not ban.holds(now):
        raise BanLapsed
    return ban


def refuse_protected(stream: LiveStream, target: User, *, by: User) -> None:
    """Raises a ProtectedPerson refusal. `target` must come from `targets()`."""
    if target.pk == by.pk:
        raise CannotBanOneself
    if target.pk == stream.creator_id:
        raise CannotBanCreator
    if target.pk == stream.guest_id and stream.guest_status != GuestStatus.DECLINED:
        raise CannotBanGuest
    if target.protected:  # type: ignore[attr-defined]
        raise CannotBanStaff


def targets() -> Any:
    """Users with the annotation `protected`: whether they are staff, superusers or moderators."""
    moderators = holders_of("bans.moderate").filter(pk=OuterRef("pk"))
    return User.objects.annotate(protected=Q(is_staff=True) | Q(is_superuser=True) | Exists(moderators))


def _target() -> models.QuerySet[Any]:
    holding = LiveStreamBan.objects.holding(Param("now", TIME)).filter(
        stream=Param("stream", ID), target=OuterRef("pk")
    )
    return targets().filter(pk=Param("id", ID)).annotate(holding_ban=Subquery(holding.values("pk")[:1]))


_TARGET = Question(_target)


def state_of(ban: LiveStreamBan) -> dict[str, Any]:
    """The values of a ban in the audit trail."""
    return {
        "stream_id": ban.stream_id,
        "target_id": ban.target_id,
        "action_type": ban.action_type,
        "reason": ban.reason,
        "expires_at": ban.expires_at,
        "deleted_at": ban.deleted_at,
        "review": ban.review,
    }


def write_ban(
    ban: LiveStreamBan,
    verb: str,
    *,
    by: User,
    now: datetime,
    why: str = "",
    noted: tuple[dict[str, Any], dict[str, Any]] = ({}, {}),
    **values: Any,
) -> LiveStreamBan:
    """Write the values that differ and their audit row, and a revocation if the restriction has changed.

    `noted` are further values for the audit row, before and after.
    """
    if writes := changed_ban(ban, verb, by=by, now=now, why=why, noted=noted, **values):
        run(*writes)
    return ban


def changed_ban(
    ban: LiveStreamBan,
    verb: str,
    *,
    by: User,
    now: datetime,
    why: str = "",
    noted: tuple[dict[str, Any], dict[str, Any]] = ({}, {}),
    **values: Any,
) -> list[Write]:
    """Change `ban` as `write_ban` does, and return what it writes, to be run together with another statement."""
    before, after = apply_values(ban, values)
    if not before:
        return []
    now = max(now, ban.updated_at)
    ban.updated_at = now
    writes = [
        update(ban, [*before, "updated_at"]),
        audit.entry(verb, ban, by=by, now=now, before=before | noted[0], after=after | noted[1], reason=why),
    ]
    if before.keys() & RESTRICTING:
        writes.append(_revocation_of(ban, now))
    return writes


def apply_values(ban: LiveStreamBan, values: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Set the values that differ. Returns these as they were before, and as they are now."""
    before = {name: getattr(ban, name) for name, value in values.items() if getattr(ban, name) != value}
    for name in before:
        setattr(ban, name, values[name])
    return before, {name: values[name] for name in before}


def write_bans(
    bans: Sequence[LiveStreamBan], verb: str, *, by: User, now: datetime, why: str = "", **values: Any
) -> None:
    """Write the same values to some bans of one stream, each as `write_ban` does.

    At least one value of each ban must differ. The number of statements does not depend on the number of bans.
    """
    now = max([now, *(ban.updated_at for ban in bans)])
    changes = [(ban, *apply_values(ban, values)) for ban in bans]
    LiveStreamBan.all_objects.filter(pk__in=[ban.pk for ban in bans]).update(**values, updated_at=now)
    for ban in bans:
        ban.updated_at = now
    audit.record_many(verb, changes, by=by, now=now, reason=why)
    restricted = [restriction_of(ban, now) for ban, before, _ in changes if before.keys() & RESTRICTING]
    if restricted:
        record_revocations(bans[0].stream_id, restricted, now=now)


def restriction_of(ban: LiveStreamBan, now: datetime) -> tuple[str, str, datetime | None]:
    """What holds for the person from now on, as `record_revocations` takes it."""
    return ban.target_id, ban.action_type if ban.holds(now) else LIFTED, ban.expires_at


def _revocation_of(ban: LiveStreamBan, now: datetime) -> Write:
    return new_revocations(ban.stream_id, [restriction_of(ban, now)], now=now)


# --- commands -------------------------------------------------------------------------------------


@transaction.atomic
def ban_user(
    target_id: str,
    stream_id: str,
    *,
    by: User,
    now: datetime,
    action_type: str = ActionType.BLOCK,
    reason: str | None = None,
    expires_at: datetime | None = None,
    batch_id: str | None = None,
) -> LiveStreamBan:
    """Ban a person from a stream that is not over, until `expires_at` or, with None, until it is lifted.

    Raises StreamMissing, UserMissing, StreamOver, AlreadyBanned, Invalid when the end is not in the future, and a
    ProtectedPerson refusal.
    """
    stream = locked_stream(stream_id, open_for_bans=True)
    target = _TARGET.instance(id=target_id, stream=stream_id, now=now)
    if target is None:
        raise UserMissing
    refuse_protected(stream, target, by=by)
    refuse_past_end(expires_at, now)
    if target.holding_ban is not None:
        raise AlreadyBanned(target.holding_ban)
    ban = LiveStreamBan(
        stream=stream,
        target=target,
        action_type=action_type,
        reason=reason,
        expires_at=expires_at,
        created_by=by,
        batch_id=batch_id,
        created_at=now,
        updated_at=now,
    )
    noted = audit.entry("ban_user", ban, by=by, now=now, before={}, after=state_of(ban))
    run(insertion(ban), noted, _revocation_of(ban, now))
    return ban


def refuse_past_end(expires_at: datetime | None, now: datetime) -> None:
    if expires_at is not None and expires_at <= now:
        raise Invalid("expiresAt", _("must lie in the future"))


@transaction.atomic
def change_ban(
    ban_id: str, *, by: User, now: datetime, changes: dict[str, Any], reason: str = "", stream_id: str | None = None
) -> LiveStreamBan:
    """Change kind, reason or end of a holding ban. An end of None means until it is lifted.

    `changes` may name action_type, reason and expires_at. `stream_id` is for `locked_ban`. Raises BanMissing,
    BanLifted, BanLapsed, Invalid.
    """
    ban = locked_holding_ban(ban_id, stream_id, now)
    refuse_past_end(changes.get("expires_at"), now)
    return write_ban(ban, "change_ban", by=by, now=now, why=reason, **changes)


@transaction.atomic
def lift_ban(ban_id: str, *, by: User, now: datetime, reason: str = "", stream_id: str | None = None) -> LiveStreamBan:
    """Lift a ban, and so approve the appeal that is pending against it. Raises BanMissing, BanLifted.

    A lapsed ban can still be lifted, so that the lift is on record. `stream_id` is for `locked_ban`.
    """
    ban = locked_ban(ban_id, stream_id)
    if ban.is_deleted:
        raise BanLifted
    lifted = changed_ban(ban, "lift_ban", by=by, now=now, why=reason, deleted_at=now, deleted_by_id=by.pk)
    if decide_appeal(ban, Appeal.State.APPROVED, by=by, now=now, beside=lifted):
        report_lifts([ban], now=now)
    return ban
