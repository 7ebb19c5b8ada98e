"""POST, GET and DELETE /api/v1/live-stream-ban/{id}/appeal"""

from collections import Counter
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import User
from bans import services
from bans.models import Appeal, LiveStreamBan
from common.models import AuditEntry
from common.refusals import Refusal
from livestreams.models import LiveStream
from tests.bans.people import BANS, ban_url, lapsed_ban, make_ban, permitted
from tests.conftest import Api, make_user
from tests.envelope import assert_refused, data_of
from tests.races import at_once
from tests.streams import make_stream
from tests.test_statements import statements

TEXT = "O mesajları ben yazmadım."
NO_BAN = f"{BANS}/{'0' * 24}/appeal"


def appeal_url(ban: LiveStreamBan) -> str:
    return f"{ban_url(ban)}/appeal"


def appealed(ban: LiveStreamBan) -> Appeal:
    return services.appeal_ban(ban.pk, by=ban.target, now=timezone.now(), text=TEXT)


# --- POST -----------------------------------------------------------------------------------------


def test_the_banned_person_appeals(api: Api, viewer: User, ban: LiveStreamBan) -> None:
    data = data_of(api(viewer).post(appeal_url(ban), {"text": TEXT}), 201)

    assert list(data) == ["_id", "banId", "text", "status", "verdictMessage", "createdAt", "updatedAt"]
    assert (data["banId"], data["text"], data["status"]) == (ban.pk, TEXT, "pending")
    assert data["createdAt"] == data["updatedAt"]
    entry = AuditEntry.objects.get(action="appeal_ban")
    assert (entry.target_id, entry.target_type, entry.actor_id) == (data["_id"], "appeal", viewer.pk)
    assert entry.after == {"ban_id": ban.pk, "state": "pending", "text": TEXT}


def test_an_appeal_leaves_the_ban_as_it_is(api: Api, viewer: User, ban: LiveStreamBan) -> None:
    before = LiveStreamBan.objects.values().get()
    data_of(api(viewer).post(appeal_url(ban), {"text": TEXT}), 201)
    assert LiveStreamBan.objects.values().get() == before


def test_a_second_appeal_is_refused_even_after_the_first_was_withdrawn(
    api: Api, viewer: User, ban: LiveStreamBan
) -> None:
    client = api(viewer)
    data_of(client.post(appeal_url(ban), {"text": TEXT}), 201)
    assert_refused(client.post(appeal_url(ban), {"text": TEXT}), 409, "already_appealed")
    data_of(client.delete(appeal_url(ban)))
    assert_refused(client.post(appeal_url(ban), {"text": TEXT}), 409, "already_appealed")
    assert Appeal.objects.count() == 1


def test_each_ban_has_its_own_appeal(api: Api, creator: User, viewer: User, ban: LiveStreamBan, now: datetime) -> None:
    appealed(ban)
    services.lift_ban(ban.pk, by=creator, now=now)
    second = services.ban_user(viewer.pk, ban.stream_id, by=creator, now=now)
    data_of(api(viewer).post(appeal_url(second), {"text": TEXT}), 201)


def test_only_a_ban_that_holds_can_be_appealed(
    api: Api, creator: User, viewer: User, stream: LiveStream, now: datetime
) -> None:
    client = api(viewer)
    assert_refused(client.post(appeal_url(lapsed_ban(viewer, stream)), {"text": TEXT}), 409, "ban_does_not_hold")
    lifted = make_ban(viewer, stream)
    services.lift_ban(lifted.pk, by=creator, now=now)
    assert_refused(client.post(appeal_url(lifted), {"text": TEXT}), 409, "ban_does_not_hold")


def test_nobody_else_appeals(api: Api, creator: User, stranger: User, ban: LiveStreamBan) -> None:
    for other in (creator, stranger, permitted("mod", "moderate")):
        assert_refused(api(other).post(appeal_url(ban), {"text": TEXT}), 403, "not_the_banned_person")
    assert_refused(api().post(appeal_url(ban), {"text": TEXT}), 401, "authentication_required")
    assert not Appeal.objects.exists()


BAD = {
    "text: is required": {},
    "text: must not be empty": {"text": "  "},
    "text: must be text": {"text": 7},
    "text: must not be null": {"text": None},
    "text: must have at most 500 characters": {"text": "x" * 501},
}


@pytest.mark.parametrize(("rule", "sent"), BAD.items(), ids=BAD)
def test_a_bad_text_is_refused_with_its_rule(
    rule: str, sent: dict[str, Any], api: Api, viewer: User, ban: LiveStreamBan
) -> None:
    assert_refused(api(viewer).post(appeal_url(ban), sent), 400, "validation_failed", rule)


def sent_with(method: str) -> dict[str, Any] | None:
    return {"text": TEXT} if method == "post" else None


@pytest.mark.parametrize("method", ["post", "get", "delete"])
def test_an_unknown_ban_is_missing(method: str, api: Api, viewer: User) -> None:
    assert_refused(getattr(api(viewer), method)(NO_BAN, sent_with(method)), 404, "ban_not_found")


@pytest.mark.django_db(transaction=True)
def test_of_ten_appeals_at_once_one_is_made() -> None:
    viewer = make_user("viewer")
    ban = make_ban(viewer, make_stream(make_user("creator")))

    def appeal(_: int) -> str:
        try:
            return services.appeal_ban(ban.pk, by=viewer, now=timezone.now(), text=TEXT).state
        except Refusal as refusal:
            return refusal.code

    assert Counter(at_once(10, appeal)) == {"pending": 1, "already_appealed": 9}


# --- GET ------------------------------------------------------------------------------------------


def test_the_banned_person_the_creator_and_moderators_read_the_appeal(
    api: Api, creator: User, viewer: User, ban: LiveStreamBan
) -> None:
    appeal = appealed(ban)
    for reader in (viewer, creator, permitted("mod", "moderate")):
        data = data_of(api(reader).get(appeal_url(ban)))
        assert (data["_id"], data["status"]) == (appeal.pk, "pending")


def test_others_do_not_learn_whether_there_is_an_appeal(
    api: Api, guest: User, stranger: User, ban: LiveStreamBan
) -> None:
    for other in (guest, stranger):
        assert_refused(api(other).get(appeal_url(ban)), 403, "not_concerned_by_ban")
    appealed(ban)
    assert_refused(api(stranger).get(appeal_url(ban)), 403, "not_concerned_by_ban")


@pytest.mark.parametrize("method", ["get", "delete"])
def test_without_an_appeal_there_is_nothing_to_read_or_withdraw(
    method: str, api: Api, viewer: User, ban: LiveStreamBan
) -> None:
    assert_refused(getattr(api(viewer), method)(appeal_url(ban)), 404, "appeal_not_found")


# --- DELETE, and decisions -----------------------------------------------------------------------------


def test_a_pending_appeal_is_withdrawn(api: Api, viewer: User, ban: LiveStreamBan) -> None:
    appeal = appealed(ban)

    data = data_of(api(viewer).delete(appeal_url(ban)))

    assert (data["_id"], data["status"]) == (appeal.pk, "withdrawn")
    entry = AuditEntry.objects.get(action="withdraw_appeal")
    assert (entry.target_id, entry.before, entry.after) == (appeal.pk, {"state": "pending"}, {"state": "withdrawn"})
    assert_refused(api(viewer).delete(appeal_url(ban)), 409, "appeal_already_decided")


def test_nobody_else_withdraws(api: Api, creator: User, stranger: User, ban: LiveStreamBan) -> None:
    appealed(ban)
    for other in (creator, stranger):
        assert_refused(api(other).delete(appeal_url(ban)), 403, "not_the_banned_person")
    assert Appeal.objects.get().state == "pending"


def test_lifting_the_ban_approves_the_appeal_in_the_same_change(
    api: Api, creator: User, viewer: User, ban: LiveStreamBan
) -> None:
    appeal = appealed(ban)

    data_of(api(creator).delete(ban_url(ban)))

    assert data_of(api(viewer).get(appeal_url(ban)))["status"] == "approved"
    lift, approval = AuditEntry.objects.filter(action__in=["lift_ban", "approve_appeal"]).order_by("pk")
    assert (approval.target_id, approval.actor_id) == (appeal.pk, creator.pk)
    assert lift.request_id == approval.request_id
    assert_refused(api(viewer).delete(appeal_url(ban)), 409, "appeal_already_decided")


def test_a_withdrawn_appeal_stays_withdrawn_when_the_ban_is_lifted(
    api: Api, creator: User, viewer: User, ban: LiveStreamBan, now: datetime
) -> None:
    appealed(ban)
    services.withdraw_appeal(ban.pk, by=viewer, now=now)
    services.lift_ban(ban.pk, by=creator, now=now)
    assert Appeal.objects.get().state == "withdrawn"


@pytest.mark.parametrize(("state", "verb"), [("approved", "approve_appeal"), ("denied", "deny_appeal")])
def test_a_decision_is_recorded_with_its_actor_and_reason(
    state: str, verb: str, creator: User, ban: LiveStreamBan, now: datetime
) -> None:
    appeal = appealed(ban)

    services.decide_appeal(ban, state, by=creator, now=now + timedelta(minutes=1), reason="Looked at it")

    appeal.refresh_from_db()
    assert (appeal.state, appeal.updated_at) == (state, now + timedelta(minutes=1))
    entry = AuditEntry.objects.get(action=verb)
    assert (entry.actor_id, entry.reason, entry.after) == (creator.pk, "Looked at it", {"state": state})


def test_a_decision_without_an_appeal_writes_no_audit_row(creator: User, ban: LiveStreamBan, now: datetime) -> None:
    entries = AuditEntry.objects.count()
    services.decide_appeal(ban, "denied", by=creator, now=now)
    assert AuditEntry.objects.count() == entries


@pytest.mark.django_db(transaction=True)
def test_a_lift_and_a_withdrawal_at_once_have_one_winner() -> None:
    creator, viewer = make_user("creator"), make_user("viewer")
    for _ in range(5):
        ban = make_ban(viewer, make_stream(creator))
        appealed(ban)

        def withdraw_or_lift(number: int, ban: LiveStreamBan = ban) -> str:
            try:
                if number:
                    services.lift_ban(ban.pk, by=creator, now=timezone.now())
                else:
                    services.withdraw_appeal(ban.pk, by=viewer, now=timezone.now())
            except Refusal as refusal:
                return refusal.code
            return "done"

        withdrawn, _lifted = at_once(2, withdraw_or_lift)

        state = Appeal.objects.get(ban=ban).state
        assert (withdrawn, state) in {("done", "withdrawn"), ("appeal_already_decided", "approved")}
        assert AuditEntry.objects.filter(target_id=Appeal.objects.get(ban=ban).pk).count() == 2


# Read the caller and the ban; lock the ban and read its appeal; write the appeal and its audit row; read the answer.
PINNED = {"post": 7, "get": 2, "delete": 7}


@pytest.mark.parametrize(("method", "count"), PINNED.items())
def test_the_number_of_statements(method: str, count: int, api: Api, viewer: User, ban: LiveStreamBan) -> None:
    client = api(viewer)
    if method != "post":
        appealed(ban)
    run = statements(lambda: getattr(client, method)(appeal_url(ban), sent_with(method)))
    assert len(run) == count, "\n".join(run)
