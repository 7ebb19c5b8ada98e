"""Approve or reject bulk calls that wait for a second moderator."""

from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from bans.models import BulkRequest, LiveStreamBan
from bans.services.bulk import BanRequest, BanResult, ban_each, undo_batch
from bans.services.raids import review_batch
from common import audit
from common.refusals import Conflict, Forbidden, Missing
from common.times import written_exactly
from common.writes import run, update
from livestreams.services import take_stream_lock

Action = BulkRequest.Action
State = BulkRequest.State


class BulkRequestMissing(Missing):
    code = "bulk_request_not_found"
    message = _("there is no bulk request with this id")


class BulkRequestDecided(Conflict):
    code = "bulk_request_already_decided"
    message = _("another moderator has decided the request already")


class BulkRequestExpired(Conflict):
    code = "bulk_request_expired"
    message = _("the request has expired; the call must be made again")


class CannotApproveOwnRequest(Forbidden):
    code = "cannot_approve_own_request"
    message = _("you asked for this; another moderator must approve it")


def refuse_rejection(request: BulkRequest, *, by: User, now: datetime) -> None:
    """Raises BulkRequestDecided, BulkRequestExpired. Who asked may reject the request, and so withdraw it."""
    decider, moment = request.decided_by, request.decided_at
    if decider is not None and moment is not None:
        message = _("%(moderator)s has decided the request already, on %(moment)s: %(state)s")
        raise BulkRequestDecided(
            message
            % {
                "moderator": decider.username,
                "moment": written_exactly(moment),
                "state": request.get_state_display(),
            }
        )
    if request.has_expired(now):
        raise BulkRequestExpired


def refuse_approval(request: BulkRequest, *, by: User, now: datetime) -> None:
    """Raises what `refuse_rejection` raises, and CannotApproveOwnRequest."""
    refuse_rejection(request, by=by, now=now)
    if request.requested_by_id == by.pk:
        raise CannotApproveOwnRequest


@transaction.atomic
def approve_request(request_id: str, /, *, by: User, now: datetime, reason: str) -> list[BanResult]:
    """Make the call that the request describes, with the state of today.

    `by` causes it: the actor of its audit rows, the reviewer of lifted bans, and who undoes a batch. Bans keep the
    creators that the request names. People who are banned or protected since are reported as such. Raises
    BulkRequestMissing, what `refuse_approval` raises, and what the call raises (StreamOver, say); then the request
    stays pending.
    """
    request = _locked(request_id)
    refuse_approval(request, by=by, now=now)
    results = _repeat(request, by, now)
    _decide(request, "approve_bulk_request", State.APPROVED, by=by, now=now, reason=reason)
    return results


@transaction.atomic
def reject_request(request_id: str, /, *, by: User, now: datetime, reason: str) -> BulkRequest:
    """Raises BulkRequestMissing, and what `refuse_rejection` raises."""
    request = _locked(request_id)
    refuse_rejection(request, by=by, now=now)
    _decide(request, "reject_bulk_request", State.REJECTED, by=by, now=now, reason=reason)
    return request


def _locked(request_id: str) -> BulkRequest:
    """The stream is locked first, as in all commands that change bans."""
    stream_id = BulkRequest.objects.filter(pk=request_id).values_list("stream_id", flat=True).first()
    if stream_id is None:
        raise BulkRequestMissing
    take_stream_lock(stream_id)
    return BulkRequest.objects.locked(request_id, otherwise=BulkRequestMissing)


def _repeat(request: BulkRequest, by: User, now: datetime) -> list[BanResult]:
    payload = request.payload
    match request.action:
        case Action.UNDO:
            return undo_batch(payload["batch_id"], by=by, now=now, is_approved=True)
        case Action.REVIEW:
            return review_batch(
                payload["batch_id"],
                by=by,
                now=now,
                verdict=LiveStreamBan.Review.LIFTED,
                reason=payload["reason"],
                message=payload["message"],
                is_approved=True,
            )
    batch = ban_each(request.stream_id, _requests(payload["bans"]), by=by, now=now, is_approved=True)
    request.batch_id = batch.id
    return batch.results


def _requests(bans: list[dict[str, Any]]) -> list[BanRequest]:
    creators = User.objects.in_bulk({ban["by"] for ban in bans})
    return [
        BanRequest(
            target=ban["target"],
            by=creators[ban["by"]],
            action_type=ban["action_type"],
            reason=ban["reason"],
            expires_at=ban["expires_at"] and datetime.fromisoformat(ban["expires_at"]),
        )
        for ban in bans
    ]


def _decide(request: BulkRequest, verb: str, state: State, *, by: User, now: datetime, reason: str) -> None:
    now = max(now, request.updated_at)
    before = {"state": request.state}
    request.state, request.decided_by, request.decided_at, request.updated_at = state, by, now, now
    after = {"state": state, "people": request.people, "batch_id": request.batch_id}
    names = ["state", "decided_by", "decided_at", "updated_at", "batch_id"]
    run(update(request, names), audit.entry(verb, request, by=by, now=now, before=before, after=after, reason=reason))
