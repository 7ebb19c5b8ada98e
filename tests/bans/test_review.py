"""Reviews of bans and decisions on appeals by moderators, and the group of moderators."""

from datetime import datetime, timedelta
from importlib import import_module
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import Group
from django.utils import timezone

from accounts.models import User
from bans import services
from bans.models import Appeal, LiveStreamBan
from bans.services.appeals import appeal_ban
from common.models import AuditEntry
from common.refusals import Conflict, Invalid
from common.times import written_exactly
from livestreams.models import LiveStream
from tests.bans.people import lapsed_ban, make_ban
from tests.conftest import make_user
from tests.races import at_once
from tests.streams import make_stream

Review = LiveStreamBan.Review
State = Appeal.State
BLOCK, CHAT_ONLY = LiveStreamBan.ActionType.BLOCK, LiveStreamBan.ActionType.CHAT_ONLY
HOUR = timedelta(hours=1)


@pytest.fixture
def appealed(ban: LiveStreamBan, viewer: User) -> LiveStreamBan:
    appeal_ban(ban.pk, by=viewer, now=timezone.now(), text="It was my brother.")
    return ban


def review(ban: LiveStreamBan, by: User, verdict: Review, **changes: Any) -> LiveStreamBan:
    return services.review_ban(
        ban.pk, by=by, now=timezone.now(), verdict=verdict, reason="I watched it.", changes=changes or None
    )


def row_of(ban: LiveStreamBan) -> Any:
    return LiveStreamBan.all_objects.values().get(pk=ban.pk)


def entries(*verbs: str) -> list[Any]:
    return list(AuditEntry.objects.filter(action__in=verbs).order_by("pk"))


# --- verdicts -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("verdict", [Review.UPHELD, Review.CHANGED, Review.LIFTED])
def test_who_decided_and_when_is_recorded_with_one_audit_row(
    verdict: Review, ban: LiveStreamBan, moderator: User, now: datetime
) -> None:
    changes = {"action_type": CHAT_ONLY} if verdict == Review.CHANGED else None
    services.review_ban(ban.pk, by=moderator, now=now, verdict=verdict, reason="Seen.", changes=changes)

    row = row_of(ban)
    assert (row["review"], row["reviewed_by_id"], row["reviewed_at"]) == (verdict, moderator.pk, now)
    (entry,) = entries("review_ban")
    assert (entry.target_id, entry.actor_id, entry.reason) == (ban.pk, moderator.pk, "Seen.")
    assert (entry.before["review"], entry.after["review"]) == ("unreviewed", verdict)
    assert entry.before.keys() == entry.after.keys()


def test_an_upheld_ban_still_holds(ban: LiveStreamBan, moderator: User) -> None:
    before = row_of(ban)
    review(ban, moderator, Review.UPHELD)

    after = row_of(ban)
    assert {name for name in after if after[name] != before[name]} == {
        "review", "reviewed_by_id", "reviewed_at", "updated_at",
    }  # fmt: skip


def test_a_lifted_ban_does_not_hold_and_names_who_lifted_it(ban: LiveStreamBan, moderator: User, now: datetime) -> None:
    review(ban, moderator, Review.LIFTED)

    row = row_of(ban)
    assert row["deleted_by_id"] == moderator.pk
    assert row["deleted_at"] == row["reviewed_at"] >= now
    assert not LiveStreamBan.objects.holding(timezone.now()).exists()


@pytest.mark.parametrize("hours", [1, 48, None])
def test_kind_and_end_change_together(hours: int | None, ban: LiveStreamBan, moderator: User, now: datetime) -> None:
    end = now + hours * HOUR if hours else None
    review(ban, moderator, Review.CHANGED, action_type=CHAT_ONLY, expires_at=end)

    row = row_of(ban)
    assert (row["action_type"], row["expires_at"], row["review"]) == (CHAT_ONLY, end, "changed")


def test_a_ban_that_ended_by_itself_can_still_be_upheld_or_lifted(
    viewer: User, creator: User, stream: LiveStream, moderator: User
) -> None:
    ended, ended_too = lapsed_ban(viewer, stream), lapsed_ban(viewer, make_stream(creator))

    review(ended, moderator, Review.UPHELD)
    review(ended_too, moderator, Review.LIFTED)

    assert (row_of(ended)["review"], row_of(ended_too)["review"]) == ("upheld", "lifted")


# --- refusals -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("first", [Review.UPHELD, Review.CHANGED, Review.LIFTED])
@pytest.mark.parametrize("second", [Review.UPHELD, Review.CHANGED, Review.LIFTED])
def test_the_refusal_of_a_second_moderator_names_who_decided_and_when(
    first: Review, second: Review, ban: LiveStreamBan, moderator: User
) -> None:
    reviewed = review(ban, moderator, first, action_type=CHAT_ONLY)
    before = row_of(ban)
    assert reviewed.reviewed_at is not None

    with pytest.raises(services.BanReviewed) as refused:
        review(ban, make_user("other"), second, expires_at=timezone.now() + HOUR)

    moment = written_exactly(reviewed.reviewed_at)
    assert refused.value.reasons == [f"moderator has reviewed the ban already, on {moment}: {first.label}"]
    assert row_of(ban) == before
    assert len(entries("review_ban")) == 1


def test_the_reviewer_may_change_the_verdict(ban: LiveStreamBan, moderator: User) -> None:
    review(ban, moderator, Review.UPHELD)
    review(ban, moderator, Review.CHANGED, action_type=CHAT_ONLY)
    review(ban, moderator, Review.LIFTED)

    assert [entry.after["review"] for entry in entries("review_ban")] == ["upheld", "changed", "lifted"]


def test_upholding_twice_is_refused_the_second_time(ban: LiveStreamBan, moderator: User) -> None:
    review(ban, moderator, Review.UPHELD)
    before = row_of(ban)

    with pytest.raises(services.BanUnchanged):
        review(ban, moderator, Review.UPHELD)

    assert row_of(ban) == before
    assert len(entries("review_ban")) == 1


@pytest.mark.parametrize("verdict", [Review.UPHELD, Review.CHANGED, Review.LIFTED])
def test_a_lifted_ban_is_not_reviewed_any_more(verdict: Review, ban: LiveStreamBan, moderator: User) -> None:
    services.lift_ban(ban.pk, by=ban.created_by, now=timezone.now())
    with pytest.raises(services.BanLifted):
        review(ban, moderator, verdict, action_type=CHAT_ONLY)


def test_a_ban_that_ended_by_itself_is_not_changed(viewer: User, stream: LiveStream, moderator: User) -> None:
    ban = lapsed_ban(viewer, stream)
    with pytest.raises(services.BanLapsed):
        review(ban, moderator, Review.CHANGED, expires_at=timezone.now() + HOUR)
    assert row_of(ban)["review"] == "unreviewed"


def test_an_end_in_the_past_is_refused(ban: LiveStreamBan, moderator: User, now: datetime) -> None:
    with pytest.raises(Invalid) as refused:
        review(ban, moderator, Review.CHANGED, expires_at=now)
    assert refused.value.reasons == ["expiresAt: must lie in the future"]


@pytest.mark.parametrize("changes", [{}, {"action_type": BLOCK}, {"expires_at": None}], ids=str)
def test_a_change_that_changes_nothing_is_refused(changes: dict[str, Any], ban: LiveStreamBan, moderator: User) -> None:
    with pytest.raises(services.BanUnchanged):
        review(ban, moderator, Review.CHANGED, **changes)
    assert row_of(ban)["review"] == "unreviewed"


def test_an_unknown_ban_is_missing(moderator: User) -> None:
    with pytest.raises(services.BanMissing):
        review(LiveStreamBan(id="f" * 24), moderator, Review.UPHELD)


def test_unreviewed_is_not_a_verdict(ban: LiveStreamBan, moderator: User) -> None:
    with pytest.raises(ValueError, match="unreviewed"):
        review(ban, moderator, Review.UNREVIEWED)


# --- appeals ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("verdict", "changes", "state"),
    [
        (Review.UPHELD, {}, State.DENIED),
        (Review.LIFTED, {}, State.APPROVED),
        (Review.CHANGED, {"action_type": CHAT_ONLY}, State.APPROVED),
        (Review.CHANGED, {"expires_at": "in an hour"}, State.APPROVED),
    ],
)
def test_a_verdict_decides_the_appeal_with_an_audit_row_of_its_own(
    verdict: Review, changes: dict[str, Any], state: State, appealed: LiveStreamBan, moderator: User
) -> None:
    if "expires_at" in changes:
        changes = {"expires_at": timezone.now() + HOUR}

    review(appealed, moderator, verdict, **changes)

    assert Appeal.objects.get().state == state
    (entry,) = entries("approve_appeal", "deny_appeal")
    assert (entry.after, entry.actor_id, entry.reason) == ({"state": state}, moderator.pk, "I watched it.")


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        ({"action_type": CHAT_ONLY}, {"action_type": BLOCK}),
        ({"expires_at": 1}, {"expires_at": 2}),
        ({"expires_at": 1}, {"expires_at": None}),
        ({"expires_at": 1}, {"expires_at": None, "action_type": CHAT_ONLY}),
    ],
    ids=str,
)
@pytest.mark.parametrize("decision", [State.APPROVED, State.DENIED])
def test_a_change_that_makes_the_ban_harder_needs_a_decision_on_the_appeal(
    was: dict[str, Any],
    becomes: dict[str, Any],
    decision: str,
    viewer: User,
    stream: LiveStream,
    moderator: User,
    now: datetime,
) -> None:
    for values in (was, becomes):
        if values.get("expires_at"):
            values["expires_at"] = now + timedelta(days=1) * len(values) * (1 if values is was else 2)
    ban = make_ban(viewer, stream, **was)
    appeal_ban(ban.pk, by=viewer, now=timezone.now(), text="No.")

    with pytest.raises(services.AppealUndecided):
        review(ban, moderator, Review.CHANGED, **becomes)
    assert (Appeal.objects.get().state, row_of(ban)["review"]) == (State.PENDING, "unreviewed")

    services.review_ban(
        ban.pk, by=moderator, now=timezone.now(), verdict=Review.CHANGED, reason="", changes=becomes, decision=decision
    )
    assert Appeal.objects.get().state == decision


def test_an_appeal_against_a_reviewed_ban_allows_one_more_review(
    ban: LiveStreamBan, viewer: User, moderator: User
) -> None:
    review(ban, moderator, Review.UPHELD)
    appeal_ban(ban.pk, by=viewer, now=timezone.now(), text="Please review it again.")
    other, third = make_user("other"), make_user("third")

    review(ban, other, Review.UPHELD)

    assert row_of(ban)["reviewed_by_id"] == other.pk
    with pytest.raises(services.BanReviewed):
        review(ban, third, Review.LIFTED)


def test_an_appeal_stays_pending_when_the_review_is_refused(appealed: LiveStreamBan, moderator: User) -> None:
    with pytest.raises(Conflict):
        review(appealed, moderator, Review.CHANGED)
    assert Appeal.objects.get().state == State.PENDING


# --- two at once --------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("with_appeal", [False, True])
def test_of_many_moderators_at_once_exactly_one_decides(with_appeal: bool, settings: Any) -> None:
    viewer, moderators = make_user("viewer"), [make_user(f"moderator{number}") for number in range(8)]
    ban = make_ban(viewer, make_stream(make_user("creator"), "active"))
    if with_appeal:
        appeal_ban(ban.pk, by=viewer, now=timezone.now(), text="It was my brother.")
    verdicts = [Review.UPHELD, Review.CHANGED, Review.LIFTED, Review.UPHELD] * 2

    def decide(number: int) -> Any:
        try:
            return review(ban, moderators[number], verdicts[number], action_type=CHAT_ONLY).reviewed_by_id
        except services.BanReviewed as refused:
            return refused

    outcomes = at_once(8, decide)

    (winner,) = [outcome for outcome in outcomes if not isinstance(outcome, services.BanReviewed)]
    row = row_of(ban)
    name = User.objects.get(pk=winner).username
    assert (row["reviewed_by_id"], row["review"]) == (winner, verdicts[outcomes.index(winner)])
    assert all(str(refused).startswith(f"{name} has") for refused in outcomes if refused is not winner)
    assert len(entries("review_ban")) == 1
    assert len(entries("approve_appeal", "deny_appeal")) == int(with_appeal)


# --- the group ----------------------------------------------------------------------------------------

HELD = {
    "accounts.view_user", "bans.change_livestreamban", "bans.moderate", "bans.view_appeal", "bans.view_livestreamban",
    "common.view_auditentry", "livestreams.change_livestream", "livestreams.view_livestream",
}  # fmt: skip


@pytest.mark.parametrize("before", ["as migrated", "without a permission", "without the group"])
def test_the_migration_that_makes_the_group_is_idempotent(before: str, stranger: User) -> None:
    moderators = import_module("bans.migrations.0002_moderators")
    if before != "as migrated":
        moderators.make_moderators(apps, None)
        group = Group.objects.get(name="Moderators")
        if before == "without the group":
            group.delete()
        else:
            group.permissions.get(codename="moderate").delete()

    for _ in range(2):
        moderators.make_moderators(apps, None)

    stranger.groups.add(Group.objects.get(name="Moderators"))
    by_later_migrations = {
        "accounts.add_personnote", "accounts.view_personnote", "bans.view_bulkrequest", "bans.view_reportcase",
    }  # fmt: skip
    later = by_later_migrations if before != "without the group" else set()
    assert User.objects.get(pk=stranger.pk).get_all_permissions() == HELD | later
