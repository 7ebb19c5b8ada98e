"""Concurrent answers of the guest, a new guest and a cancel: the audit trail is one consistent order."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from accounts.models import User
from common.models import AuditEntry
from common.refusals import Refusal
from livestreams import services
from livestreams.models import GuestStatus, LiveStream, Status
from tests.races import at_once
from tests.streams import make_stream

pytestmark = pytest.mark.django_db(transaction=True)

ROUNDS = 5


def outcome(call: Callable[[], Any]) -> str:
    """`done`, or the code of the refusal."""
    try:
        call()
    except Refusal as refusal:
        return refusal.code
    return "done"


def assert_the_audit_trail_is_consistent(stream: LiveStream) -> None:
    """Each row continues from the guest, answer and status of the row before it; the last one equals the stream."""
    first, *entries = AuditEntry.objects.filter(target_id=stream.pk).order_by("id")
    state = {"guest_id": first.after["guest_id"], "guest_status": "invited", "status": "scheduled"}
    for entry in entries:
        changed = {name: value for name, value in entry.before.items() if name in state}
        assert {name: state[name] for name in changed} == changed
        assert state["status"] == "scheduled", "nothing may change after the cancel"
        if entry.action in {"accept_guest", "decline_guest"}:
            assert entry.actor_id == state["guest_id"]
            assert (entry.action, state["guest_status"]) != ("accept_guest", "declined")
        if entry.after.get("status") == Status.CANCELLED_BY_GUEST:
            assert entry.actor_id == state["guest_id"]
            assert state["guest_status"] != "declined"
        state |= {name: value for name, value in entry.after.items() if name in state}
    assert LiveStream.objects.filter(pk=stream.pk).values(*state).get() == state


@pytest.mark.parametrize("round_number", range(ROUNDS))
def test_accept_decline_replace_and_cancel_at_once(
    round_number: int, creator: User, guest: User, stranger: User, now: datetime
) -> None:
    stream = make_stream(creator, guest=guest, now=now)
    calls = [
        lambda: services.accept_guest(stream.pk, by=guest, now=now),
        lambda: services.decline_guest(stream.pk, by=guest, now=now),
        lambda: services.edit_stream(stream.pk, by=creator, now=now, changes={"guest": stranger.pk}),
        lambda: services.cancel_stream(stream.pk, by=guest, now=now, as_member=True),
        lambda: services.accept_guest(stream.pk, by=stranger, now=now),
    ]

    codes = at_once(10, lambda number: outcome(calls[(number + round_number) % len(calls)]))

    assert set(codes) <= {
        "done", "not_the_guest", "guest_has_declined", "guest_answer_too_late",
        "stream_not_editable", "stream_not_cancellable", "not_the_creator_or_guest",
    }  # fmt: skip
    assert_the_audit_trail_is_consistent(stream)


@pytest.mark.parametrize(("answer", "verb"), [("accepted", "accept_guest"), ("declined", "decline_guest")])
def test_of_many_equal_answers_one_is_recorded_and_all_succeed(
    answer: str, verb: str, creator: User, guest: User, now: datetime
) -> None:
    stream = make_stream(creator, guest=guest, now=now)
    answer_service = {"accepted": services.accept_guest, "declined": services.decline_guest}[answer]

    codes = at_once(20, lambda number: outcome(lambda: answer_service(stream.pk, by=guest, now=now)))

    assert codes == ["done"] * 20
    assert AuditEntry.objects.filter(target_id=stream.pk, action=verb).count() == 1
    assert LiveStream.objects.get(pk=stream.pk).guest_status == GuestStatus(answer)
