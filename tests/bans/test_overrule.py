"""Superusers replace the verdict of a review, and the decision on the appeal with it."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import User
from bans import services
from bans.models import Appeal, LiveStreamBan
from bans.services.appeals import appeal_ban, withdraw_appeal
from bans.services.bans import CannotBanStaff
from common.models import AuditEntry
from common.refusals import Refusal
from edges.models import Revocation
from livestreams.models import LiveStream
from tests.bans.people import make_ban
from tests.bans.reviewing import BLOCK, CHAT_ONLY, Review, overrule, review
from tests.conftest import make_user

State = Appeal.State
HOUR = timedelta(hours=1)


def row_of(ban: LiveStreamBan) -> Any:
    return LiveStreamBan.all_objects.values().get(pk=ban.pk)


def changes_for(verdict: Review) -> dict[str, Any]:
    return {"changes": {"action_type": CHAT_ONLY}} if verdict == Review.CHANGED else {}


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (Review.UPHELD, Review.LIFTED), (Review.UPHELD, Review.CHANGED), (Review.CHANGED, Review.UPHELD),
        (Review.CHANGED, Review.LIFTED), (Review.LIFTED, Review.UPHELD),
    ],
)  # fmt: skip
def test_a_verdict_is_replaced_and_the_audit_row_names_both_who_decided(
    first: Review, second: Review, ban: LiveStreamBan, moderator: User, boss: User
) -> None:
    review(ban, moderator, first, **changes_for(first))

    overrule(ban, boss, second, **changes_for(second))

    row = row_of(ban)
    assert (row["review"], row["reviewed_by_id"]) == (second, boss.pk)
    assert (row["deleted_at"] is not None) == (second == Review.LIFTED)
    entry = AuditEntry.objects.get(action="overrule_review")
    assert (entry.actor_name, entry.reason) == ("boss", "Wrong.")
    assert (entry.before["reviewer"], entry.after["reviewer"]) == ("moderator", "boss")
    assert (entry.before["review"], entry.after["review"]) == (first, second)


def test_a_ban_that_is_upheld_after_a_lift_holds_again_and_has_a_revocation(
    ban: LiveStreamBan, moderator: User, boss: User, viewer: User
) -> None:
    review(ban, moderator, Review.LIFTED)
    assert Revocation.objects.latest("pk").action == "LIFTED"

    overrule(ban, boss, Review.UPHELD)

    assert LiveStreamBan.objects.holding(timezone.now()).get().pk == ban.pk
    newest = Revocation.objects.latest("pk")
    assert (newest.action, newest.user_id) == (BLOCK, viewer.pk)


@pytest.mark.parametrize("verdict", [Review.UPHELD, Review.CHANGED, Review.LIFTED])
def test_a_moderator_cannot_overrule(verdict: Review, ban: LiveStreamBan, moderator: User) -> None:
    review(ban, make_user("faster"), Review.UPHELD)
    before = row_of(ban)
    with pytest.raises(services.OverrulingRefused):
        overrule(ban, moderator, verdict, **changes_for(verdict))
    assert row_of(ban) == before


def test_an_unreviewed_ban_cannot_be_overruled(ban: LiveStreamBan, boss: User) -> None:
    with pytest.raises(services.NothingToOverrule):
        overrule(ban, boss, Review.LIFTED)


def test_the_same_verdict_again_is_refused(ban: LiveStreamBan, moderator: User, boss: User) -> None:
    review(ban, moderator, Review.UPHELD)
    with pytest.raises(services.BanUnchanged):
        overrule(ban, boss, Review.UPHELD)
    with pytest.raises(services.BanUnchanged):
        overrule(ban, boss, Review.CHANGED, changes={"action_type": BLOCK})


@pytest.mark.parametrize("verdict", [Review.LIFTED, Review.CHANGED])
def test_a_lifted_ban_is_neither_lifted_nor_changed(
    verdict: Review, ban: LiveStreamBan, moderator: User, boss: User
) -> None:
    review(ban, moderator, Review.LIFTED)
    with pytest.raises(services.BanLifted):
        overrule(ban, boss, verdict, **changes_for(verdict))


def test_a_ban_that_its_creator_lifted_after_the_verdict_stays_lifted(
    ban: LiveStreamBan, moderator: User, boss: User
) -> None:
    review(ban, moderator, Review.CHANGED, **changes_for(Review.CHANGED))
    services.lift_ban(ban.pk, by=ban.created_by, now=timezone.now())
    with pytest.raises(services.BanLifted):
        overrule(ban, boss, Review.UPHELD)


def lapses(ban: LiveStreamBan, stream: LiveStream, now: datetime) -> None:
    LiveStreamBan.all_objects.filter(pk=ban.pk).update(created_at=now - HOUR, expires_at=now - HOUR / 2)


def is_banned_anew(ban: LiveStreamBan, stream: LiveStream, now: datetime) -> None:
    make_ban(ban.target, stream)


def becomes_staff(ban: LiveStreamBan, stream: LiveStream, now: datetime) -> None:
    User.objects.filter(pk=ban.target_id).update(is_staff=True)


@pytest.mark.parametrize(
    ("meanwhile", "refusal"),
    [(lapses, services.BanLapsed), (is_banned_anew, services.AlreadyBanned), (becomes_staff, CannotBanStaff)],
)
def test_a_lifted_ban_holds_again_only_if_it_could_be_made_again(
    meanwhile: Any, refusal: type[Refusal], ban: LiveStreamBan, stream: LiveStream, moderator: User, boss: User,
    now: datetime,
) -> None:  # fmt: skip
    review(ban, moderator, Review.LIFTED)
    meanwhile(ban, stream, now)
    with pytest.raises(refusal):
        overrule(ban, boss, Review.UPHELD)
    assert row_of(ban)["deleted_at"] is not None


# --- the appeal -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "second", "more", "state"),
    [
        (Review.UPHELD, Review.LIFTED, {}, State.APPROVED),
        (Review.LIFTED, Review.UPHELD, {}, State.DENIED),
        (Review.UPHELD, Review.CHANGED, changes_for(Review.CHANGED), State.DENIED),
        (Review.UPHELD, Review.CHANGED, changes_for(Review.CHANGED) | {"decision": State.APPROVED}, State.APPROVED),
    ],
)
def test_the_appeal_follows_the_new_verdict(
    first: Review, second: Review, more: dict[str, Any], state: State,
    ban: LiveStreamBan, viewer: User, moderator: User, boss: User,
) -> None:  # fmt: skip
    appeal_ban(ban.pk, by=viewer, now=timezone.now(), text="No.")
    review(ban, moderator, first)
    overrule(ban, boss, second, **more)
    assert Appeal.objects.get().state == state


def test_a_withdrawn_appeal_stays_withdrawn(ban: LiveStreamBan, viewer: User, moderator: User, boss: User) -> None:
    appeal_ban(ban.pk, by=viewer, now=timezone.now(), text="No.")
    withdraw_appeal(ban.pk, by=viewer, now=timezone.now())
    review(ban, moderator, Review.UPHELD)
    overrule(ban, boss, Review.LIFTED)
    assert Appeal.objects.get().state == State.WITHDRAWN


# --- the version that the form showed -------------------------------------------------------------


@pytest.mark.parametrize("meanwhile", ["changed", "appealed"])
def test_a_verdict_on_an_outdated_version_is_refused(
    meanwhile: str, ban: LiveStreamBan, viewer: User, creator: User, moderator: User
) -> None:
    seen = services.version_of_ban(LiveStreamBan.objects.get(pk=ban.pk))
    if meanwhile == "changed":
        services.change_ban(ban.pk, by=creator, now=timezone.now(), changes={"action_type": CHAT_ONLY})
    else:
        appeal_ban(ban.pk, by=viewer, now=timezone.now(), text="No.")
    with pytest.raises(services.BanChangedMeanwhile):
        review(ban, moderator, Review.UPHELD, seen=seen)
    assert row_of(ban)["review"] == "unreviewed"
