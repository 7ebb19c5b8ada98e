"""A ban is offered to other moderators before the one who made it, who may not confirm it alone."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from accounts.models import User
from bans import services
from bans.models import LiveStreamBan
from bans.queue import Queue
from livestreams.models import LiveStream
from tests.bans.people import make_ban
from tests.conftest import make_user

Review = LiveStreamBan.Review
BLOCK, CHAT_ONLY = LiveStreamBan.ActionType.BLOCK, LiveStreamBan.ActionType.CHAT_ONLY
MINUTE = timedelta(minutes=1)


def ban_by(by: User, name: str, stream: LiveStream, now: datetime, minutes_ago: int, **fields: Any) -> LiveStreamBan:
    at = now - minutes_ago * MINUTE
    return services.ban_user(make_user(name).pk, stream.pk, by=by, now=at, **fields)


def review(ban: LiveStreamBan, by: User, now: datetime, verdict: Review, **changes: Any) -> LiveStreamBan:
    return services.review_ban(ban.pk, by=by, now=now, verdict=verdict, reason="x", changes=changes or None)


def appeal(ban: LiveStreamBan, now: datetime, minutes_ago: int) -> None:
    services.appeal_ban(ban.pk, by=ban.target, now=now - minutes_ago * MINUTE, text="No.")


# --- the queue ------------------------------------------------------------------------------------


def test_the_queue_offers_own_bans_only_after_others_had_them_for_an_hour(
    stream: LiveStream, moderator: User, now: datetime
) -> None:
    own_young, own_old = ban_by(moderator, "a", stream, now, 59), ban_by(moderator, "b", stream, now, 61)
    appealed_lately = ban_by(moderator, "c", stream, now, 300)
    appeal(appealed_lately, now, 5)
    appealed_long_ago = ban_by(moderator, "d", stream, now, 300)
    appeal(appealed_long_ago, now, 61)
    foreign = make_ban(make_user("e"), stream, now=now)

    bans = LiveStreamBan.all_objects.all()

    offered = set(bans.offered_to(moderator, now).waiting(now).values_list("pk", flat=True))
    assert offered == {own_old.pk, appealed_long_ago.pk, foreign.pk}
    others = set(bans.offered_to(make_user("other"), now).waiting(now).values_list("pk", flat=True))
    assert others == {ban.pk for ban in (own_young, own_old, appealed_lately, appealed_long_ago, foreign)}
    page = bans.offered_to(moderator, now).page_of_queue(now, 0, 10)
    assert page == [appealed_long_ago.pk, own_old.pk, foreign.pk]
    assert bans.offered_to(moderator, now).page_of_queue(now, 0, 10, queues=[Queue.LIVE]) == [own_old.pk, foreign.pk]


def test_without_the_setting_own_bans_are_as_all_others(
    stream: LiveStream, moderator: User, now: datetime, settings: Any
) -> None:
    settings.REVIEW_OWN_BANS_AFTER = timedelta(0)
    ban = ban_by(moderator, "a", stream, now, 0)
    assert LiveStreamBan.all_objects.offered_to(moderator, now).get().pk == ban.pk
    assert review(ban, moderator, now, Review.UPHELD).review == Review.UPHELD


# --- the verdict ----------------------------------------------------------------------------------


def test_nobody_upholds_an_own_ban_before_others_could_review_it(
    stream: LiveStream, moderator: User, now: datetime
) -> None:
    ban = ban_by(moderator, "a", stream, now, 59)
    with pytest.raises(services.OwnBan) as refused:
        review(ban, moderator, now, Review.UPHELD)
    assert refused.value.reasons[0].startswith("you made this ban: until ")
    assert LiveStreamBan.objects.get().review == Review.UNREVIEWED

    assert review(ban, make_user("other"), now, Review.UPHELD).review == Review.UPHELD


def test_after_that_time_the_maker_may_uphold_it(stream: LiveStream, moderator: User, now: datetime) -> None:
    ban = ban_by(moderator, "a", stream, now, 60)
    assert review(ban, moderator, now, Review.UPHELD).review == Review.UPHELD


def test_nobody_denies_a_new_appeal_against_an_own_ban(stream: LiveStream, moderator: User, now: datetime) -> None:
    ban = ban_by(moderator, "a", stream, now, 500)
    appeal(ban, now, 59)
    with pytest.raises(services.OwnBan):
        review(ban, moderator, now, Review.UPHELD)
    review(ban, moderator, now + MINUTE, Review.UPHELD)
    assert LiveStreamBan.objects.get().appeal.state == "denied"


@pytest.mark.parametrize(
    ("verdict", "changes", "is_refused"),
    [
        (Review.LIFTED, {}, False),
        (Review.CHANGED, {"action_type": CHAT_ONLY}, False),
        (Review.CHANGED, {"expires_at": None}, True),
    ],
    ids=str,
)
def test_an_own_ban_is_lifted_and_softened_at_any_time_but_not_made_harder(
    verdict: Review, changes: dict[str, Any], is_refused: bool, stream: LiveStream, moderator: User, now: datetime
) -> None:
    ban = ban_by(moderator, "a", stream, now, 1, expires_at=now + 60 * MINUTE)
    if is_refused:
        with pytest.raises(services.OwnBan):
            review(ban, moderator, now, verdict, **changes)
    else:
        assert review(ban, moderator, now, verdict, **changes).review == verdict


def test_an_own_raid_is_skipped(stream: LiveStream, moderator: User, now: datetime) -> None:
    made = services.ban_many(stream.pk, [make_user("a").pk, make_user("b").pk], by=moderator, now=now)
    results = services.review_batch(made.id or "", by=moderator, now=now, verdict=Review.UPHELD, reason="x")
    assert {one.refusal.code for one in results if one.refusal} == {"own_ban_waits_for_others"}
    assert len(results) == 2
