"""Review all bans of one batch with one verdict. The number of statements does not depend on the number of bans."""

from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from bans.hooks import report_verdicts
from bans.models import Appeal, BulkRequest, LiveStreamBan
from bans.services.appeals import decide_appeals
from bans.services.bans import Review, write_bans
from bans.services.bulk import BanResult, BulkOutcome, as_requested, locked_batch
from bans.services.four_eyes import needs_approval, stored_request
from bans.services.review import (
    AppealUndecided,
    BanReviewed,
    news_of,
    refuse_long_message,
    refuse_review,
    seen_by_person,
    verdict_values,
)
from common import audit
from common.refusals import Invalid, Refusal
from livestreams.models import LiveStream


@transaction.atomic
def review_batch(
    batch_id: str,
    *,
    by: User,
    now: datetime,
    verdict: Review,
    reason: str,
    message: str = "",
    changes: dict[str, Any] | None = None,
    is_approved: bool = False,
) -> list[BanResult]:
    """Uphold, change or lift every ban of the batch that nobody has decided. Skip the others, with the reason.

    Each ban gets the verdict and the audit row that `review_ban` would give it, so each can be taken back. The stream
    gets one audit row for the batch. A verdict that would deny a pending appeal skips its ban: a person reads it.
    More lifts than `settings.FOUR_EYES_ABOVE` are only requested, unless a second moderator has approved them.
    Results have the order of the bans. Raises BatchMissing, Invalid.
    """
    refuse_long_message(message)
    bans = locked_batch(batch_id)
    stream_id = bans[0].stream_id
    refusals = [_why_skipped(ban, by, now, verdict, changes) for ban in bans]
    decided = [ban for ban, refusal in zip(bans, refusals, strict=True) if refusal is None]
    results = [
        BanResult(
            ban.target_id,
            ban.target_id,
            BulkOutcome.SKIPPED if refusal else BulkOutcome(verdict),
            ban.pk,
            refusal=refusal,
        )
        for ban, refusal in zip(bans, refusals, strict=True)
    ]
    if verdict == Review.LIFTED and not is_approved and needs_approval(len(decided)):
        payload = {"batch_id": batch_id, "reason": reason, "message": message}
        request_id = stored_request(
            stream_id,
            BulkRequest.Action.REVIEW,
            payload,
            people=len(decided),
            by=by,
            now=now,
            batch_id=batch_id,
            reason=reason,
        )
        return as_requested(results, BulkOutcome.LIFTED, request_id)
    if decided:
        values = verdict_values(verdict, changes, message, by=by, now=now)
        _write(decided, values, by=by, now=now, reason=reason)
        after = {
            "batch_id": batch_id,
            "verdict": verdict,
            "reviewed": len(decided),
            "skipped": len(bans) - len(decided),
        }
        stream = LiveStream(pk=stream_id)  # the audit row has no other value of it
        audit.record("review_batch", stream, by=by, now=now, before={}, after=after, reason=reason)
    return results


def _why_skipped(
    ban: LiveStreamBan, by: User, now: datetime, verdict: Review, changes: dict[str, Any] | None
) -> Refusal | None:
    is_pending = ban.pending_appeal is not None
    if not is_pending and ban.review != Review.UNREVIEWED:
        return BanReviewed()
    if is_pending and verdict == Review.UPHELD:
        return AppealUndecided(_("an appeal against the ban is pending; read it and decide about this ban alone"))
    try:
        refuse_review(ban, by=by, now=now, verdict=verdict, changes=changes or {})
    except Invalid:  # of the changes, and so of all bans
        raise
    except Refusal as refusal:
        return refusal
    return None


def _write(bans: list[LiveStreamBan], values: dict[str, Any], *, by: User, now: datetime, reason: str) -> None:
    seen = [seen_by_person(ban) for ban in bans]
    write_bans(bans, "review_ban", by=by, now=now, why=reason, **values)
    decided = {ban.pk for ban in decide_appeals(bans, Appeal.State.APPROVED, by=by, now=now, reason=reason)}
    report_verdicts(
        (
            news_of(ban, before, Appeal.State.APPROVED if ban.pk in decided else None)
            for ban, before in zip(bans, seen, strict=True)
        ),
        now=values["reviewed_at"],
    )
