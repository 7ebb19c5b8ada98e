"""Ban many people from one stream in one call, with an outcome for each, and undo such a call.

The number of statements does not depend on the number of people.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from django.db import connection, transaction
from django.db.models import Exists, OuterRef
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from accounts.services import UserMissing
from bans.models import Appeal, BulkRequest, LiveStreamBan
from bans.services.appeals import decide_appeals, report_lifts
from bans.services.bans import (
    AlreadyBanned,
    BanLapsed,
    BanLifted,
    ProtectedPerson,
    locked_stream,
    refuse_past_end,
    refuse_protected,
    restriction_of,
    state_of,
    targets,
    write_bans,
)
from bans.services.four_eyes import needs_approval, stored_request
from common import audit
from common.fields import new_object_id
from common.models import AuditEntry
from common.refusals import Conflict, Invalid, Missing, Refusal
from edges.services import record_revocations
from livestreams.models import LiveStream
from livestreams.services import take_stream_lock

LARGEST_BATCH = 1000
BANNING, UNDOING = "ban_user", "undo_ban"
UNCHANGING = (BANNING, "take_over_claim")  # audit rows after which a ban is as it was made


class BatchMissing(Missing):
    code = "batch_not_found"
    message = _("there is no batch of bans with this id")


class BatchUndone(Conflict):
    code = "batch_already_undone"
    message = _("the batch has been undone already")


class BanChanged(Conflict):
    """Why an undo skipped a ban. It is part of the outcome of that ban and never raised."""

    code = "ban_changed_since"
    message = _("somebody has changed or reviewed the ban since")


class BulkOutcome(StrEnum):
    BANNED = "banned"
    ALREADY_BANNED = "already_banned"
    REFUSED = "refused"
    UNKNOWN = "unknown"
    DUPLICATE = "duplicate"
    REQUESTED = "requested"
    LIFTED = "lifted"
    UPHELD = "upheld"
    CHANGED = "changed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class BanRequest:
    """One ban to make. `target` is an id or a username in any case; `by` becomes the creator of the ban."""

    target: str
    by: User
    action_type: str = LiveStreamBan.ActionType.BLOCK
    reason: str | None = None
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class BanResult:
    """The outcome of one ban to make, to review or to undo.

    With the outcome REQUESTED, `request_id` is the request in which it waits for a second moderator.
    """

    target: str
    target_id: str | None
    outcome: BulkOutcome
    ban_id: str | None = None
    refusal: Refusal | None = None
    request_id: str | None = None


@dataclass(frozen=True, slots=True)
class Batch:
    """The results of one call. `id` is None when no ban was made (yet), because then there is nothing to undo."""

    id: str | None
    results: list[BanResult]


# --- banning --------------------------------------------------------------------------------------

# Names are case-folded in Python: how PostgreSQL folds them depends on its locale.
_RESOLVED = """
    SELECT COALESCE(sent.id, named.id)
    FROM unnest(%s::bytea[], %s::text[]) WITH ORDINALITY AS sent (id, name, place)
    LEFT JOIN accounts_user named ON named.username_key = sent.name
    ORDER BY sent.place
"""


def ban_many(
    stream_id: str,
    sent: Sequence[str],
    *,
    by: User,
    now: datetime,
    dry_run: bool = False,
    **ban: Any,
) -> Batch:
    """Ban up to LARGEST_BATCH people, named by id or username, with the same values.

    `ban` may have action_type, reason and expires_at. People who are banned already, protected or unknown are reported
    in their results and do not stop the others. See `ban_each` for calls that need a second moderator.
    Raises StreamMissing, StreamOver, and Invalid when the end is not in the future.
    """
    refuse_past_end(ban.get("expires_at"), now)
    requests = [BanRequest(target, by, **ban) for target in sent]
    return ban_each(stream_id, requests, by=by, now=now, dry_run=dry_run)


@transaction.atomic
def ban_each(
    stream_id: str,
    requests: Sequence[BanRequest],
    *,
    by: User | None,
    now: datetime,
    dry_run: bool = False,
    is_approved: bool = False,
) -> Batch:
    """Make bans that may differ in their values and creators. `by` is the actor in the audit trail; None is the system.

    More bans than `settings.FOUR_EYES_ABOVE` are only requested, unless a second moderator has approved the call.
    Results have the order of `requests`. Raises StreamMissing, StreamOver.
    """
    stream = locked_stream(stream_id, open_for_bans=True)
    ids = _resolved([one.target for one in requests])
    people: dict[str, User] = targets().in_bulk({pk for pk in ids if pk})
    holding = LiveStreamBan.objects.holding(now).filter(stream=stream, target__in=people)
    holds: dict[str, str] = dict(holding.values_list("target_id", "pk"))
    batch_id = new_object_id()
    made: dict[str, LiveStreamBan] = {}
    results = []
    for one, pk in zip(requests, ids, strict=True):
        person = people.get(pk) if pk else None
        if person is None:
            results.append(BanResult(one.target, None, BulkOutcome.UNKNOWN, refusal=UserMissing()))
        elif person.pk in made:
            results.append(BanResult(one.target, person.pk, BulkOutcome.DUPLICATE))
        elif person.pk in holds:
            results.append(
                BanResult(
                    one.target,
                    person.pk,
                    BulkOutcome.ALREADY_BANNED,
                    holds[person.pk],
                    refusal=AlreadyBanned(holds[person.pk]),
                )
            )
        elif refusal := _refusal(stream, person, one, now):
            results.append(BanResult(one.target, person.pk, BulkOutcome.REFUSED, refusal=refusal))
        else:
            made[person.pk] = ban = _new_ban(stream, person, one, now, batch_id)
            results.append(BanResult(one.target, person.pk, BulkOutcome.BANNED, None if dry_run else ban.pk))
    if dry_run or not made:
        return Batch(None, results)
    if not is_approved and needs_approval(len(made)):
        request_id = _request_bans(stream_id, requests, people=len(made), by=by, now=now)
        return Batch(None, as_requested(results, BulkOutcome.BANNED, request_id))
    bans = LiveStreamBan.objects.bulk_create(made.values())
    audit.record_many(BANNING, [(ban, {}, state_of(ban)) for ban in bans], by=by, now=now)
    record_revocations(stream.pk, [restriction_of(ban, now) for ban in bans], now=now)
    return Batch(batch_id, results)


def _request_bans(
    stream_id: str, requests: Sequence[BanRequest], *, people: int, by: User | None, now: datetime
) -> str:
    bans = [
        {
            "target": one.target,
            "by": one.by.pk,
            "action_type": one.action_type,
            "reason": one.reason,
            "expires_at": one.expires_at and one.expires_at.isoformat(),
        }
        for one in requests
    ]
    return stored_request(stream_id, BulkRequest.Action.BAN, {"bans": bans}, people=people, by=by, now=now)


def as_requested(results: Iterable[BanResult], outcome: BulkOutcome, request_id: str) -> list[BanResult]:
    """The results with REQUESTED instead of `outcome`, as nothing was done."""
    return [
        replace(result, outcome=BulkOutcome.REQUESTED, request_id=request_id, ban_id=None)
        if result.outcome == outcome
        else result
        for result in results
    ]


def _resolved(sent: Iterable[str]) -> list[str | None]:
    """The user's id for each id or username; None for an unknown username.

    A text with the form of an id is always taken as an id, even if an old username is the same text.
    """
    ids = [User.id_in(target) for target in sent]
    names = [None if pk else User.key_of(target) for pk, target in zip(ids, sent, strict=True)]
    with connection.cursor() as cursor:
        cursor.execute(_RESOLVED, ([pk and bytes.fromhex(pk) for pk in ids], names))
        return [pk and pk.hex() for (pk,) in cursor]


def _refusal(stream: LiveStream, person: User, request: BanRequest, now: datetime) -> Refusal | None:
    try:
        refuse_protected(stream, person, by=request.by)
        refuse_past_end(request.expires_at, now)
    except (ProtectedPerson, Invalid) as refusal:
        return refusal
    return None


def _new_ban(stream: LiveStream, person: User, request: BanRequest, now: datetime, batch_id: str) -> LiveStreamBan:
    return LiveStreamBan(
        stream=stream,
        target=person,
        action_type=request.action_type,
        reason=request.reason,
        expires_at=request.expires_at,
        created_by=request.by,
        batch_id=batch_id,
        created_at=now,
        updated_at=now,
    )


# --- undoing --------------------------------------------------------------------------------------


@transaction.atomic
def undo_batch(batch_id: str, *, by: User, now: datetime, is_approved: bool = False) -> list[BanResult]:
    """Lift every ban of the batch that still holds and that nobody has changed since. Skip the others.

    More lifts than `settings.FOUR_EYES_ABOVE` are only requested, unless a second moderator has approved them.
    Raises BatchMissing, BatchUndone.
    """
    trail = AuditEntry.objects.filter(target_id=OuterRef("pk"), target_type=LiveStreamBan._meta.model_name)
    bans = locked_batch(
        batch_id,
        touched=Exists(trail.exclude(action__in=UNCHANGING)),
        undone=Exists(trail.filter(action=UNDOING)),
    )
    if any(ban.undone for ban in bans):  # type: ignore[attr-defined]
        raise BatchUndone
    results, lifted = [], []
    for ban in bans:
        reason = _why_skipped(ban, now)
        outcome = BulkOutcome.SKIPPED if reason else BulkOutcome.LIFTED
        results.append(BanResult(ban.target_id, ban.target_id, outcome, ban.pk, refusal=reason))
        if reason is None:
            lifted.append(ban)
    if not is_approved and needs_approval(len(lifted)):
        request_id = stored_request(
            bans[0].stream_id,
            BulkRequest.Action.UNDO,
            {"batch_id": batch_id},
            people=len(lifted),
            by=by,
            now=now,
            batch_id=batch_id,
        )
        return as_requested(results, BulkOutcome.LIFTED, request_id)
    if lifted:
        _lift(lifted, by=by, now=now)
    return results


def locked_batch(batch_id: str, **annotations: Any) -> list[LiveStreamBan]:
    """Take the advisory lock of the stream, then lock the bans of the batch, in the order of their ids.

    Their appeals are read after the bans are locked, because until then others may make or withdraw one. Raises
    BatchMissing, also when the stream and its bans are purged before they are locked.
    """
    take_stream_lock(stream_of_batch(batch_id))
    batch = LiveStreamBan.all_objects.filter(batch_id=batch_id).annotate(**annotations)
    bans = list(batch.prefetch_related("appeal").order_by("pk").for_update())
    if not bans:
        raise BatchMissing
    return bans


def stream_of_batch(batch_id: str) -> str:
    """Raises BatchMissing."""
    stream_id: str | None = (
        LiveStreamBan.all_objects.filter(batch_id=batch_id).values_list("stream_id", flat=True).first()
    )
    if stream_id is None:
        raise BatchMissing
    return stream_id


def _why_skipped(ban: LiveStreamBan, now: datetime) -> Refusal | None:
    if ban.is_deleted:
        return BanLifted()
    if ban.touched:  # type: ignore[attr-defined]
        return BanChanged()
    return None if ban.holds(now) else BanLapsed()


def _lift(bans: list[LiveStreamBan], *, by: User, now: datetime) -> None:
    # The bans are unchanged, so all have the same `updated_at`.
    now = max(now, bans[0].updated_at)
    write_bans(bans, UNDOING, by=by, now=now, deleted_at=now, deleted_by_id=by.pk)
    report_lifts(decide_appeals(bans, Appeal.State.APPROVED, by=by, now=now), now=now)
