"""Bans and lifts of more than FOUR_EYES_ABOVE people wait until a second moderator approves them."""

from collections import Counter
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import User
from bans import services
from bans.models import Appeal, BulkRequest, LiveStreamBan
from common.models import AuditEntry
from edges.models import Revocation
from livestreams import services as streams
from livestreams.models import LiveStream
from tests.bans.people import make_ban
from tests.bans.requesting import make_request
from tests.bans.test_bulk import BULK, body, crowd
from tests.bans.test_bulk_undo import ban_batch, undo_url
from tests.bans.test_races import outcome
from tests.conftest import Api, make_user
from tests.envelope import data_of
from tests.races import at_once
from tests.streams import make_stream
from tests.test_statements import statements

Review = LiveStreamBan.Review
HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def more_than_two(settings: Any) -> None:
    settings.FOUR_EYES_ABOVE = 2


def approve(request: BulkRequest, by: User, now: datetime | None = None) -> list[services.BanResult]:
    return services.approve_request(request.pk, by=by, now=now or timezone.now(), reason="A raid, I saw it.")


def reject(request: BulkRequest, by: User, now: datetime | None = None) -> BulkRequest:
    return services.reject_request(request.pk, by=by, now=now or timezone.now(), reason="They only cheered.")


def counted(results: list[services.BanResult]) -> dict[str, int]:
    return Counter(result.outcome.value for result in results)


# --- bans -----------------------------------------------------------------------------------------


def test_a_larger_bulk_ban_bans_nobody_and_names_its_request(
    api: Api, creator: User, viewer: User, stream: LiveStream
) -> None:
    make_ban(viewer, stream)
    people = [user.pk for user in crowd(3)]

    data = data_of(api(creator).post(BULK, body(stream, *people, viewer.pk, "nobody", reason="raid")))

    request = BulkRequest.objects.get()
    assert (data["batchId"], data["banned"], data["alreadyBanned"], data["requestId"]) == (None, 0, 1, request.pk)
    assert [one["outcome"] for one in data["outcomes"]] == ["requested"] * 3 + ["already_banned", "unknown"]
    assert {one["banId"] for one in data["outcomes"][:3]} == {None}
    assert LiveStreamBan.objects.count() == 1
    assert (request.people, request.requested_by, request.state) == (3, creator, "pending")
    entry = AuditEntry.objects.get(action="request_bulk")
    assert (entry.target_id, entry.target_type, entry.actor_id) == (request.pk, "bulkrequest", creator.pk)
    assert not AuditEntry.objects.filter(action="ban_user").exclude(target_id=LiveStreamBan.objects.get().pk).exists()


def test_as_many_as_the_limit_are_banned_at_once(api: Api, creator: User, viewer: User, stream: LiveStream) -> None:
    """Only people who would be banned count."""
    make_ban(viewer, stream)
    people = [user.pk for user in crowd(2)]
    data = data_of(api(creator).post(BULK, body(stream, *people, viewer.pk, "nobody", people[0])))
    assert (data["banned"], data["requestId"]) == (2, None)
    assert not BulkRequest.objects.exists()


def test_without_the_setting_nothing_waits(api: Api, creator: User, stream: LiveStream, settings: Any) -> None:
    settings.FOUR_EYES_ABOVE = None
    people = [user.pk for user in crowd(300)]
    client = api(creator)
    data = data_of(client.post(BULK, body(stream, *people)))
    assert (data["banned"], data["requestId"]) == (300, None)
    assert data_of(client.delete(undo_url(data["batchId"])))["lifted"] == 300


def test_a_dry_run_is_no_request(api: Api, creator: User, stream: LiveStream) -> None:
    people = [user.pk for user in crowd(3)]
    data = data_of(api(creator).post(BULK, body(stream, *people, dryRun=True)))
    assert (data["banned"], data["requestId"]) == (3, None)
    assert not BulkRequest.objects.exists()


def test_the_same_call_again_gets_the_same_request(stream: LiveStream, creator: User, now: datetime) -> None:
    people = [user.pk for user in crowd(3)]

    def ask(by: User, at: datetime, **more: Any) -> str | None:
        return services.ban_many(stream.pk, people, by=by, now=at, **more).results[0].request_id

    end = now + 90 * HOUR
    first = ask(creator, now, expires_at=end)
    assert ask(creator, now + HOUR, expires_at=end) == first
    others = [ask(creator, now, expires_at=end + HOUR), ask(make_user("other"), now, expires_at=end)]
    assert len({first, *others}) == 3
    assert ask(creator, now + 25 * HOUR, expires_at=end) not in {first, *others}
    assert BulkRequest.objects.count() == 4


def test_an_approval_makes_the_bans_of_who_asked_and_the_trail_names_both(
    stream: LiveStream, creator: User, moderator: User, now: datetime
) -> None:
    raiders = crowd(3)
    end = now + 5 * HOUR
    request = make_request(stream, raiders, reason="raid", action_type="CHAT_ONLY", expires_at=end, now=now)

    results = approve(request, moderator)

    assert counted(results) == {"banned": 3}
    bans = list(LiveStreamBan.objects.order_by("pk"))
    assert {(ban.created_by, ban.reason, ban.action_type, ban.expires_at) for ban in bans} == {
        (creator, "raid", "CHAT_ONLY", end)
    }
    request.refresh_from_db()
    assert (request.state, request.decided_by) == ("approved", moderator)
    assert {ban.batch_id for ban in bans} == {request.batch_id}
    approval = AuditEntry.objects.get(action="approve_bulk_request")
    assert (approval.actor_id, approval.reason) == (moderator.pk, "A raid, I saw it.")
    assert approval.after == {"state": "approved", "people": 3, "batch_id": request.batch_id}
    assert {row.actor_id for row in AuditEntry.objects.filter(action="ban_user")} == {moderator.pk}
    assert AuditEntry.objects.get(action="request_bulk").actor_id == creator.pk
    assert Revocation.objects.count() == 3


def test_an_approval_bans_whom_it_can_on_the_day_of_the_approval(
    stream: LiveStream, moderator: User, now: datetime
) -> None:
    raiders = crowd(4)
    request = make_request(stream, raiders)
    make_ban(raiders[0], stream)
    User.objects.filter(pk=raiders[1].pk).update(is_staff=True)
    assert counted(approve(request, moderator)) == {"already_banned": 1, "refused": 1, "banned": 2}


def test_a_stream_that_is_over_keeps_the_request_pending(stream: LiveStream, moderator: User, creator: User) -> None:
    request = make_request(stream, crowd(3))
    streams.end_stream(stream.pk, by=creator, now=timezone.now())
    with pytest.raises(services.StreamOver):
        approve(request, moderator)
    request.refresh_from_db()
    assert request.state == "pending"


# --- who and when ---------------------------------------------------------------------------------


def test_who_asked_may_not_approve_but_withdraw(stream: LiveStream, creator: User) -> None:
    request = make_request(stream, crowd(3))
    with pytest.raises(services.CannotApproveOwnRequest):
        approve(request, creator)
    assert not LiveStreamBan.objects.exists()
    assert reject(request, creator).state == "rejected"


@pytest.mark.parametrize("decide", [approve, reject])
@pytest.mark.parametrize("before", [approve, reject])
def test_a_request_is_decided_once(before: Any, decide: Any, stream: LiveStream, moderator: User) -> None:
    request = make_request(stream, crowd(3))
    before(request, moderator)
    bans = LiveStreamBan.objects.count()
    with pytest.raises(services.BulkRequestDecided) as refused:
        decide(request, make_user("third"))
    assert refused.value.reasons[0].startswith("moderator has decided the request already, on ")
    assert LiveStreamBan.objects.count() == bans


@pytest.mark.parametrize("decide", [approve, reject])
def test_a_request_expires(decide: Any, stream: LiveStream, moderator: User, now: datetime) -> None:
    request = make_request(stream, crowd(3), now=now)
    with pytest.raises(services.BulkRequestExpired):
        decide(request, moderator, now + 24 * HOUR)
    assert not LiveStreamBan.objects.exists()
    decide(request, moderator, now + 24 * HOUR - timedelta(seconds=1))


@pytest.mark.parametrize("decide", [approve, reject])
def test_an_unknown_request_is_missing(decide: Any, moderator: User) -> None:
    with pytest.raises(services.BulkRequestMissing):
        decide(BulkRequest(id="f" * 24), moderator)


# --- lifts ----------------------------------------------------------------------------------------


@pytest.fixture
def batch_id(stream: LiveStream, settings: Any) -> str:
    settings.FOUR_EYES_ABOVE = None
    made = ban_batch(stream, crowd(3))
    settings.FOUR_EYES_ABOVE = 2
    return made


def test_a_larger_undo_waits_and_its_approval_lifts(api: Api, creator: User, moderator: User, batch_id: str) -> None:
    data = data_of(api(creator).delete(undo_url(batch_id)))

    request = BulkRequest.objects.get()
    assert (data["lifted"], data["skipped"], data["requestId"]) == (0, 0, request.pk)
    assert {one["outcome"] for one in data["outcomes"]} == {"requested"}
    assert LiveStreamBan.objects.count() == 3

    assert counted(approve(request, moderator)) == {"lifted": 3}
    assert set(LiveStreamBan.all_objects.values_list("deleted_by", flat=True)) == {moderator.pk}


def test_a_raid_that_is_lifted_by_a_verdict_waits_and_one_that_is_upheld_does_not(
    stream: LiveStream, moderator: User, batch_id: str
) -> None:
    def review(verdict: Review) -> list[services.BanResult]:
        return services.review_batch(
            batch_id, by=moderator, now=timezone.now(), verdict=verdict, reason="No raid.", message="Sorry."
        )

    ban = LiveStreamBan.objects.earliest("pk")
    services.appeal_ban(ban.pk, by=ban.target, now=timezone.now(), text="No.")

    assert counted(review(Review.LIFTED)) == {"requested": 3}
    assert LiveStreamBan.objects.filter(review="unreviewed").count() == 3
    request = BulkRequest.objects.get()
    with pytest.raises(services.CannotApproveOwnRequest):
        approve(request, moderator)

    second = make_user("second")
    assert counted(approve(request, second)) == {"lifted": 3}
    lifted = LiveStreamBan.all_objects.values_list("review", "reviewed_by", "verdict_message")
    assert set(lifted) == {("lifted", second.pk, "Sorry.")}
    assert Appeal.objects.get().state == "approved"
    assert set(AuditEntry.objects.filter(action="review_ban").values_list("reason", flat=True)) == {"No raid."}


def test_upholding_a_raid_needs_no_second_moderator(moderator: User, batch_id: str) -> None:
    results = services.review_batch(batch_id, by=moderator, now=timezone.now(), verdict=Review.UPHELD, reason="A raid.")
    assert counted(results) == {"upheld": 3}


# --- races and cost -------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_of_many_decisions_at_once_one_counts() -> None:
    moderators = [make_user(f"moderator{number}") for number in range(6)]
    stream = make_stream(make_user("creator"), "active")
    request = make_request(stream, crowd(5))

    outcomes = at_once(6, lambda number: outcome(lambda: (approve, reject)[number % 2](request, moderators[number])))

    assert Counter(outcomes) == {"done": 1, "bulk_request_already_decided": 5}
    winner = outcomes.index("done")
    assert LiveStreamBan.objects.count() == (0 if winner % 2 else 5)
    request.refresh_from_db()
    assert (request.state, request.decided_by_id) == (("approved", "rejected")[winner % 2], moderators[winner].pk)


@pytest.mark.django_db(transaction=True)
def test_of_the_same_call_twice_at_once_one_request_is_left(settings: Any) -> None:
    settings.FOUR_EYES_ABOVE = 2
    creator = make_user("creator")
    stream = make_stream(creator, "active")
    people, now = [user.pk for user in crowd(5)], timezone.now()
    ids = at_once(4, lambda _: services.ban_many(stream.pk, people, by=creator, now=now).results[0].request_id)
    assert set(ids) == {BulkRequest.objects.get().pk}


def test_the_number_of_statements_is_the_same_for_three_as_for_three_hundred(
    stream: LiveStream, creator: User, moderator: User
) -> None:
    groups = [crowd(3), crowd(300)]
    asked = [
        statements(lambda group=group: make_request(stream, group, by=creator))  # type: ignore[misc]
        for group in groups
    ]
    few, many = (
        statements(lambda request=request: approve(request, moderator))  # type: ignore[misc]
        for request in BulkRequest.objects.order_by("people")
    )
    assert len(asked[0]) == len(asked[1])
    assert len(few) == len(many), "\n".join(many)
