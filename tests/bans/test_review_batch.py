"""All bans of a batch (a raid) reviewed with one verdict."""

from datetime import timedelta
from threading import Event
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from accounts.models import User
from bans import services
from bans.models import Appeal, LiveStreamBan
from common.models import AuditEntry
from common.refusals import Invalid
from edges.models import Revocation
from livestreams.models import LiveStream
from reminders.models import Notification
from tests.bans.people import make_ban
from tests.bans.reviewing import CHAT_ONLY, Review, appeal
from tests.bans.test_bulk import crowd
from tests.bans.test_bulk_undo import ban_batch
from tests.conftest import make_user
from tests.patience import PATIENCE
from tests.races import at_once, until_another_waits
from tests.streams import make_stream
from tests.test_statements import statements

HOUR = timedelta(hours=1)


def review(batch_id: str, by: User, verdict: Review, **more: Any) -> list[services.BanResult]:
    return services.review_batch(batch_id, by=by, now=timezone.now(), verdict=verdict, reason="A raid.", **more)


def outcomes(results: list[services.BanResult]) -> dict[str | None, tuple[str, str | None]]:
    return {one.ban_id: (one.outcome.value, one.refusal.code if one.refusal else None) for one in results}


def ban_of(user: User) -> LiveStreamBan:
    return LiveStreamBan.all_objects.get(target=user)


@pytest.mark.parametrize(
    ("verdict", "changes", "outcome", "action"),
    [
        (Review.UPHELD, None, "upheld", "BLOCK"),
        (Review.LIFTED, None, "lifted", "LIFTED"),
        (Review.CHANGED, {"action_type": CHAT_ONLY}, "changed", "CHAT_ONLY"),
    ],
)
def test_every_ban_gets_the_verdict_and_the_rows_that_a_single_review_writes(
    verdict: Review, changes: Any, outcome: str, action: str, stream: LiveStream, moderator: User
) -> None:
    alone, *raiders = crowd(4)
    single = make_ban(alone, stream)
    batch_id = ban_batch(stream, raiders)
    services.review_ban(
        single.pk, by=moderator, now=timezone.now(), verdict=verdict, reason="A raid.", changes=changes, message="Bye."
    )

    results = review(batch_id, moderator, verdict, changes=changes, message="Bye.")

    bans = [ban_of(raider) for raider in raiders]
    assert outcomes(results) == {ban.pk: (outcome, None) for ban in bans}
    example, *entries = AuditEntry.objects.filter(action="review_ban").order_by("pk")
    assert [entry.target_id for entry in entries] == sorted(ban.pk for ban in bans)
    for entry in entries:
        assert (entry.before.keys(), entry.after.keys()) == (example.before.keys(), example.after.keys())
        assert (entry.before, entry.reason) == (example.before, "A raid.")
    batch = AuditEntry.objects.get(action="review_batch")
    assert (batch.target_id, batch.target_type) == (stream.pk, "livestream")
    assert batch.after == {"batch_id": batch_id, "verdict": verdict, "reviewed": 3, "skipped": 0}
    for raider in raiders:
        assert Revocation.objects.filter(user=raider).latest("pk").action == action
        assert Notification.objects.get(user=raider).details["message"] == "Bye."  # type: ignore[index]


def test_bans_that_somebody_has_decided_or_lifted_are_skipped(stream: LiveStream, moderator: User) -> None:
    raiders = crowd(4)
    batch_id = ban_batch(stream, raiders)
    by_another, by_me, lifted, left = (ban_of(raider) for raider in raiders)
    now = timezone.now()
    services.review_ban(by_another.pk, by=make_user("other"), now=now, verdict=Review.UPHELD, reason="x")
    services.review_ban(by_me.pk, by=moderator, now=now, verdict=Review.UPHELD, reason="x")
    services.lift_ban(lifted.pk, by=stream.creator, now=now)

    results = review(batch_id, moderator, Review.LIFTED)

    assert outcomes(results) == {
        by_another.pk: ("skipped", "ban_already_reviewed"),
        by_me.pk: ("skipped", "ban_already_reviewed"),
        lifted.pk: ("skipped", "ban_already_lifted"),
        left.pk: ("lifted", None),
    }
    assert ban_of(raiders[0]).review == Review.UPHELD


def test_no_appeal_is_denied_with_the_batch_but_lifting_approves_all(stream: LiveStream, moderator: User) -> None:
    raiders = crowd(2)
    batch_id = ban_batch(stream, raiders)
    appealed, other = (ban_of(raider) for raider in raiders)
    appeal(appealed)

    kept = review(batch_id, moderator, Review.UPHELD)
    assert outcomes(kept) == {appealed.pk: ("skipped", "appeal_undecided"), other.pk: ("upheld", None)}
    assert Appeal.objects.get().state == "pending"

    lifted = review(batch_id, moderator, Review.LIFTED)
    assert outcomes(lifted) == {appealed.pk: ("lifted", None), other.pk: ("skipped", "ban_already_reviewed")}
    assert Appeal.objects.get().state == "approved"
    assert Notification.objects.get(user=appealed.target_id).kind == "appeal_decided"


def test_a_batch_without_a_ban_to_decide_leaves_nothing(stream: LiveStream, moderator: User) -> None:
    batch_id = ban_batch(stream, crowd(2))
    review(batch_id, moderator, Review.UPHELD)
    rows = AuditEntry.objects.count()
    assert {one.outcome for one in review(batch_id, moderator, Review.UPHELD)} == {services.BulkOutcome.SKIPPED}
    assert AuditEntry.objects.count() == rows


def test_lapsed_bans_are_upheld_and_not_changed(stream: LiveStream, moderator: User) -> None:
    raiders = crowd(2)
    now = timezone.now()
    batch_id = ban_batch(stream, raiders, now=now - HOUR, expires_at=now - HOUR / 2)
    changed = review(batch_id, moderator, Review.CHANGED, changes={"expires_at": None})
    assert {one.refusal.code for one in changed if one.refusal} == {"ban_lapsed"}
    assert {one.outcome.value for one in review(batch_id, moderator, Review.UPHELD)} == {"upheld"}


@pytest.mark.parametrize(
    ("more", "rule"),
    [
        ({"message": "x" * 501}, "message: must have at most 500 characters"),
        ({"changes": {"expires_at": timezone.now() - HOUR}}, "expiresAt: must lie in the future"),
    ],
    ids=["message", "changes"],
)
def test_bad_input_is_refused_as_a_whole(more: dict[str, Any], rule: str, stream: LiveStream, moderator: User) -> None:
    batch_id = ban_batch(stream, crowd(2))
    with pytest.raises(Invalid) as refused:
        review(batch_id, moderator, Review.CHANGED, **more)
    assert refused.value.reasons == [rule]
    assert not AuditEntry.objects.filter(action="review_ban").exists()


def test_an_unknown_batch_is_missing(moderator: User) -> None:
    with pytest.raises(services.BatchMissing):
        review("f" * 24, moderator, Review.UPHELD)


def test_each_verdict_of_the_batch_can_be_taken_back(stream: LiveStream, moderator: User) -> None:
    raiders = crowd(2)
    batch_id = ban_batch(stream, raiders)
    first, second = (ban_of(raider) for raider in raiders)
    appeal(first)
    review(batch_id, moderator, Review.LIFTED)

    services.undo_review(first.pk, by=moderator, now=timezone.now())

    assert ban_of(raiders[0]).holds(timezone.now())
    assert (ban_of(raiders[0]).review, Appeal.objects.get().state) == ("unreviewed", "pending")
    assert not Notification.objects.filter(user=first.target_id).exists()
    assert ban_of(raiders[1]).review == Review.LIFTED
    assert second.pk != first.pk


@pytest.mark.parametrize("verdict", [Review.UPHELD, Review.LIFTED])
def test_the_number_of_statements_is_the_same_for_three_as_for_a_thousand(
    verdict: Review, stream: LiveStream, moderator: User
) -> None:
    batches = [ban_batch(stream, crowd(number)) for number in (3, 1000)]
    for raider in User.objects.filter(username__in=("raider2", "raider9")):
        appeal(ban_of(raider))
    few, many = (
        statements(lambda at=at: review(at, moderator, verdict, message="Bye."))  # type: ignore[misc]
        for at in batches
    )

    # Stream of the batch, lock, bans, appeals; update and its audit rows, notices, row of the batch; and for a lift
    # update of the appeals and its audit rows, and revocations.
    assert len(few) == len(many) == (8 if verdict == Review.UPHELD else 11), "\n".join(few)


@pytest.mark.django_db(transaction=True)
def test_of_two_moderators_at_once_one_decides_each_ban() -> None:
    moderators = [make_user("one"), make_user("two")]
    stream = make_stream(make_user("creator"), "active")
    batch_id = ban_batch(stream, crowd(30))
    verdicts = [Review.UPHELD, Review.LIFTED]

    both = at_once(2, lambda number: review(batch_id, moderators[number], verdicts[number]))

    counts = [sum(one.refusal is None for one in results) for results in both]
    assert sorted(counts) == [0, 30]
    winner = counts.index(30)
    decided = set(LiveStreamBan.all_objects.values_list("review", "reviewed_by"))
    assert decided == {(verdicts[winner], moderators[winner].pk)}
    assert AuditEntry.objects.filter(action="review_batch").count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_single_review_beside_that_of_the_batch_counts_once() -> None:
    one, two = make_user("one"), make_user("two")
    stream = make_stream(make_user("creator"), "active")
    raiders = crowd(5)
    batch_id = ban_batch(stream, raiders)
    ban = ban_of(raiders[0])

    def run(number: int) -> Any:
        if number:
            return outcomes(review(batch_id, one, Review.UPHELD))[ban.pk][1]
        try:
            services.review_ban(ban.pk, by=two, now=timezone.now(), verdict=Review.LIFTED, reason="x")
        except services.BanReviewed as refused:
            return refused.code
        return None

    assert set(at_once(2, run)) == {None, "ban_already_reviewed"}
    assert AuditEntry.objects.filter(action="review_ban", target_id=ban.pk).count() == 1


def withdraw(ban: LiveStreamBan) -> None:
    services.withdraw_appeal(ban.pk, by=ban.target, now=timezone.now())


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("before", "meanwhile", "verdict", "outcome", "state", "notices"),
    [
        ([], appeal, Review.UPHELD, ("skipped", "appeal_undecided"), "pending", []),
        ([], appeal, Review.LIFTED, ("lifted", None), "approved", ["appeal_decided"]),
        ([appeal], withdraw, Review.UPHELD, ("upheld", None), "withdrawn", []),
        ([appeal], withdraw, Review.LIFTED, ("lifted", None), "withdrawn", ["ban_reviewed"]),
    ],
)  # fmt: skip
def test_an_appeal_that_changes_while_the_batch_waits_for_its_ban_is_noticed(
    before: list[Any], meanwhile: Any, verdict: Review, outcome: Any, state: str, notices: list[str]
) -> None:
    moderator = make_user("moderator")
    batch_id = ban_batch(make_stream(make_user("creator"), "active"), crowd(1))
    ban = LiveStreamBan.objects.get(batch_id=batch_id)
    for step in before:
        step(ban)
    held = Event()

    def run(number: int) -> Any:
        if number:
            assert held.wait(PATIENCE)
            return outcomes(review(batch_id, moderator, verdict))
        with transaction.atomic():
            meanwhile(ban)
            held.set()
            until_another_waits()
        return None

    _, reviewed = at_once(2, run)

    assert reviewed == {ban.pk: outcome}
    assert Appeal.objects.get().state == state
    assert list(Notification.objects.values_list("kind", flat=True)) == notices
