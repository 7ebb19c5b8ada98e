"""A reviewer takes back the last verdict, and the ban, its appeal and its review are what they were before."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import User
from bans import services
from bans.models import Appeal, LiveStreamBan
from bans.services.bans import CannotBanStaff
from common.models import AuditEntry
from common.refusals import Refusal
from edges.models import Revocation
from livestreams.models import LiveStream
from tests.bans.people import lapsed_ban, make_ban, permitted
from tests.bans.reviewing import BLOCK, Review, appeal, overrule, review, undo
from tests.conftest import make_user

State = Appeal.State
HOUR = timedelta(hours=1)


def state(ban: LiveStreamBan) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """The rows of the ban and of its appeal without the times of their last changes."""
    row: Any = LiveStreamBan.all_objects.values().get(pk=ban.pk)
    appealed: Any = Appeal.objects.filter(ban=ban).values().first()
    return (
        {name: value for name, value in row.items() if name != "updated_at"},
        appealed and {name: value for name, value in appealed.items() if name != "updated_at"},
    )


def newest_revocation() -> tuple[str, datetime | None]:
    newest = Revocation.objects.latest("pk")
    return newest.action, newest.until


# --- what is restored -----------------------------------------------------------------------------


@pytest.mark.parametrize("end", [None, 2 * HOUR])
@pytest.mark.parametrize("is_appealed", [False, True])
@pytest.mark.parametrize("verdict", [Review.UPHELD, Review.CHANGED, Review.LIFTED])
def test_the_ban_and_its_appeal_are_as_before_and_edges_are_notified_of_a_changed_restriction(
    verdict: Review, is_appealed: bool, end: timedelta | None, viewer: User, stream: LiveStream, moderator: User
) -> None:
    until = timezone.now() + end if end else None
    ban = make_ban(viewer, stream, expires_at=until, reason="spam")
    if is_appealed:
        appeal(ban)
    before, revocations = state(ban), Revocation.objects.count()
    review(ban, moderator, verdict)

    undo(ban, moderator)

    assert state(ban) == before
    assert newest_revocation() == (BLOCK, until)
    assert Revocation.objects.count() - revocations == (0 if verdict == Review.UPHELD else 2)
    entry = AuditEntry.objects.get(action="undo_review")
    assert (entry.target_id, entry.actor_id) == (ban.pk, moderator.pk)
    assert (entry.before["review"], entry.after["review"]) == (verdict, "unreviewed")
    reopened = AuditEntry.objects.filter(action="reopen_appeal")
    assert [row.after for row in reopened] == [{"state": "pending"}] * is_appealed


def test_a_changed_end_is_restored_and_has_a_revocation(viewer: User, stream: LiveStream, moderator: User) -> None:
    ban = make_ban(viewer, stream)
    review(ban, moderator, Review.CHANGED, changes={"expires_at": timezone.now() + HOUR})

    undo(ban, moderator)

    assert state(ban)[0]["expires_at"] is None
    assert newest_revocation() == (BLOCK, None)


def test_an_undone_ban_waits_again_and_another_moderator_may_review_it(ban: LiveStreamBan, moderator: User) -> None:
    appeal(ban)
    review(ban, moderator, Review.UPHELD)
    undo(ban, moderator)

    review(ban, make_user("other"), Review.LIFTED)

    assert Appeal.objects.get().state == State.APPROVED


def test_the_previous_verdict_of_the_same_reviewer_comes_back(ban: LiveStreamBan, moderator: User) -> None:
    review(ban, moderator, Review.UPHELD)
    before = state(ban)
    review(ban, moderator, Review.LIFTED)

    undo(ban, moderator)

    assert state(ban) == before


@pytest.mark.parametrize("first", [Review.UPHELD, Review.LIFTED])
def test_the_verdict_before_an_overruling_comes_back_with_the_decision_on_the_appeal(
    first: Review, ban: LiveStreamBan, moderator: User, boss: User
) -> None:
    appeal(ban)
    review(ban, moderator, first)
    before = state(ban)
    overrule(ban, boss, Review.LIFTED if first == Review.UPHELD else Review.UPHELD)

    undo(ban, boss)

    assert state(ban) == before
    assert newest_revocation()[0] == ("LIFTED" if first == Review.LIFTED else BLOCK)


def test_an_appeal_that_the_verdict_did_not_decide_stays_as_it_is(ban: LiveStreamBan, moderator: User) -> None:
    appeal(ban)
    services.withdraw_appeal(ban.pk, by=ban.target, now=timezone.now())
    review(ban, moderator, Review.LIFTED)

    undo(ban, moderator)

    assert Appeal.objects.get().state == State.WITHDRAWN


def test_the_review_of_a_ban_that_had_lapsed_before_it_was_lifted_is_undone(
    viewer: User, stream: LiveStream, moderator: User
) -> None:
    ban = lapsed_ban(viewer, stream)
    before = state(ban)
    review(ban, moderator, Review.LIFTED)

    undo(ban, moderator)

    assert state(ban) == before
    assert newest_revocation() == ("LIFTED", None)


def test_a_lapsed_end_is_restored_with_a_revocation_that_lifts(
    viewer: User, stream: LiveStream, moderator: User, now: datetime
) -> None:
    """The verdict made the ban longer. Without it, the ban has ended."""
    ban = make_ban(viewer, stream, now=now - HOUR, expires_at=now - HOUR / 2)
    services.review_ban(
        ban.pk, by=moderator, now=now - 0.9 * HOUR, verdict=Review.CHANGED, reason="x", changes={"expires_at": None}
    )

    undo(ban, moderator)

    assert not LiveStreamBan.objects.holding(timezone.now()).exists()
    assert newest_revocation() == ("LIFTED", None)


# --- who ------------------------------------------------------------------------------------------


def test_another_moderator_may_not_take_a_verdict_back(ban: LiveStreamBan, moderator: User) -> None:
    review(ban, moderator, Review.LIFTED)
    before = state(ban)
    with pytest.raises(services.UndoRefused):
        undo(ban, permitted("other", "moderate"))
    assert state(ban) == before
    assert not AuditEntry.objects.filter(action="undo_review").exists()


def test_who_may_overrule_may_take_the_verdict_of_another_back(ban: LiveStreamBan, moderator: User, boss: User) -> None:
    before = state(ban)
    review(ban, moderator, Review.LIFTED)
    undo(ban, boss)
    assert state(ban) == before


# --- when -----------------------------------------------------------------------------------------


def is_appealed(ban: LiveStreamBan, moderator: User) -> None:
    appeal(ban)


def is_appealed_and_withdrawn(ban: LiveStreamBan, moderator: User) -> None:
    appeal(ban)
    services.withdraw_appeal(ban.pk, by=ban.target, now=timezone.now())


def is_changed(ban: LiveStreamBan, moderator: User) -> None:
    services.change_ban(ban.pk, by=ban.created_by, now=timezone.now(), changes={"reason": "other"})


def is_lifted(ban: LiveStreamBan, moderator: User) -> None:
    services.lift_ban(ban.pk, by=ban.created_by, now=timezone.now())


@pytest.mark.parametrize(
    ("since", "who"),
    [
        (is_appealed, "viewer"), (is_appealed_and_withdrawn, "viewer"), (is_changed, "creator"), (is_lifted, "creator"),
    ],
)  # fmt: skip
def test_a_verdict_stays_when_anything_came_after_it(since: Any, who: str, ban: LiveStreamBan, moderator: User) -> None:
    review(ban, moderator, Review.UPHELD)
    since(ban, moderator)
    before = state(ban)

    with pytest.raises(services.VerdictFollowed) as refused:
        undo(ban, moderator)

    assert refused.value.reasons[0].startswith(f"{who} has changed the ban or its appeal since the verdict, on ")
    assert state(ban) == before


def test_a_verdict_stays_when_another_has_followed_it(ban: LiveStreamBan, moderator: User, boss: User) -> None:
    review(ban, moderator, Review.UPHELD)
    overrule(ban, boss, Review.LIFTED)
    with pytest.raises(services.UndoRefused):
        undo(ban, moderator)


def test_an_unreviewed_ban_has_nothing_to_undo(ban: LiveStreamBan, moderator: User) -> None:
    with pytest.raises(services.NothingToUndo):
        undo(ban, moderator)


def test_only_the_last_verdict_is_taken_back(ban: LiveStreamBan, moderator: User) -> None:
    review(ban, moderator, Review.UPHELD)
    review(ban, moderator, Review.LIFTED)
    undo(ban, moderator)
    with pytest.raises(services.NothingToUndo):
        undo(ban, moderator)


def test_an_unknown_ban_is_missing(moderator: User) -> None:
    with pytest.raises(services.BanMissing):
        undo(LiveStreamBan(id="f" * 24), moderator)


# --- a ban that would hold again ------------------------------------------------------------------


def lapses(ban: LiveStreamBan, now: datetime) -> None:
    LiveStreamBan.all_objects.filter(pk=ban.pk).update(
        created_at=now - 2 * HOUR, deleted_at=now - HOUR, expires_at=now - HOUR / 2
    )


def is_banned_anew(ban: LiveStreamBan, now: datetime) -> None:
    make_ban(ban.target, ban.stream)


def becomes_staff(ban: LiveStreamBan, now: datetime) -> None:
    User.objects.filter(pk=ban.target_id).update(is_staff=True)


@pytest.mark.parametrize(
    ("meanwhile", "refusal"),
    [(lapses, services.BanLapsed), (is_banned_anew, services.AlreadyBanned), (becomes_staff, CannotBanStaff)],
)
def test_a_lifted_ban_comes_back_only_if_it_could_be_made_again(
    meanwhile: Any, refusal: type[Refusal], ban: LiveStreamBan, moderator: User, now: datetime
) -> None:
    review(ban, moderator, Review.LIFTED)
    meanwhile(ban, now)
    with pytest.raises(refusal):
        undo(ban, moderator)
    assert (state(ban)[0]["review"], Revocation.objects.filter(action="LIFTED").count()) == ("lifted", 1)


def test_a_longer_end_does_not_come_back_over_another_ban(
    viewer: User, stream: LiveStream, moderator: User, now: datetime
) -> None:
    """The verdict ended the ban earlier. After that end, the person was banned anew."""
    ban = make_ban(viewer, stream, now=now - 2 * HOUR)
    services.review_ban(
        ban.pk, by=moderator, now=now - HOUR, verdict=Review.CHANGED, reason="x", changes={"expires_at": now - HOUR / 2}
    )
    make_ban(viewer, stream)
    with pytest.raises(services.AlreadyBanned):
        undo(ban, moderator)
    assert state(ban)[0]["review"] == "changed"
