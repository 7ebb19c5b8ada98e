"""The order of the queue of moderators, and its claims."""

from datetime import datetime, timedelta
from threading import Event
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from accounts.models import User
from bans import services
from bans.models import LiveStreamBan, ReviewClaim
from bans.queue import Queue
from bans.services.appeals import appeal_ban
from livestreams.models import LiveStream
from tests.bans.people import make_ban
from tests.conftest import make_user
from tests.patience import PATIENCE
from tests.races import at_once, until_another_waits
from tests.streams import make_stream

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
UPHELD = LiveStreamBan.Review.UPHELD


@pytest.fixture
def evening(creator: User, guest: User, stranger: User, now: datetime) -> dict[str, list[str]]:
    """Bans of all kinds. Returns the usernames in each queue, in its order; those that do not wait under "settled"."""
    live, later = make_stream(creator, "active"), make_stream(guest)

    def ban(name: str, minutes_ago: int, on: LiveStream, **fields: Any) -> LiveStreamBan:
        return make_ban(make_user(name), on, now=now - minutes_ago * MINUTE, **fields)

    def review(one: LiveStreamBan) -> None:
        services.review_ban(one.pk, by=stranger, now=now, verdict=UPHELD, reason="Seen.")

    ban("rest-2", 200, later)
    ban("rest-1", 300, later, expires_at=now + 61 * MINUTE)
    ban("lapsed", 250, later, expires_at=now)
    ban("live-2", 20, live)
    ban("live-1", 30, live, expires_at=now + 5 * MINUTE)
    ban("ending-2", 400, later, expires_at=now + HOUR)
    ban("ending-1", 100, later, expires_at=now + 3 * MINUTE)
    for name, minutes in (("appeal-2", 4), ("appeal-1", 9), ("appeal-3", 2)):
        one = ban(name, 1000, live if name == "appeal-2" else later)
        if name == "appeal-1":
            review(one)
        appeal_ban(one.pk, by=one.target, now=now - minutes * MINUTE, text="Not me.")
    for name, minutes in (("upheld-2", 90), ("upheld-1", 50)):
        review(ban(name, minutes, live))
    lifted = ban("lifted", 70, later)
    services.lift_ban(lifted.pk, by=guest, now=now)
    return {
        "appeals": ["appeal-1", "appeal-2", "appeal-3"],
        "live": ["live-1", "live-2"],
        "ending": ["ending-1", "ending-2"],
        "rest": ["rest-1", "lapsed", "rest-2"],
        "settled": ["upheld-1", "lifted", "upheld-2"],
    }


def names(bans: Any) -> list[str]:
    return [ban.target.username for ban in bans.select_related("target")]


@pytest.mark.django_db
def test_each_queue_has_its_bans_in_its_order(evening: dict[str, list[str]], now: datetime) -> None:
    bans = LiveStreamBan.all_objects.all()
    for queue in Queue:
        assert names(bans.in_queue(queue, now)) == evening[queue]
        assert set(names(bans.waiting(now, queue))) == set(evening[queue])
    waiting = [name for queue in Queue for name in evening[queue]]
    assert set(names(bans.waiting(now))) == set(waiting)


@pytest.mark.django_db
def test_a_page_has_the_same_order_as_all_bans(evening: dict[str, list[str]], now: datetime) -> None:
    bans = LiveStreamBan.all_objects.select_related("target")
    wanted = [name for part in evening.values() for name in part]
    assert names(bans.in_queue_order(now)) == wanted
    name_of = {ban.pk: ban.target.username for ban in bans}
    for first, last in ((0, 4), (4, 8), (8, 50), (2, 11), (40, 50)):
        assert [name_of[pk] for pk in bans.page_of_queue(now, first, last)] == wanted[first:last]
    some = bans.page_of_queue(now, 1, 4, queues=[Queue.LIVE, Queue.REST])
    assert [name_of[pk] for pk in some] == ["live-2", "rest-1", "lapsed"]
    one = bans.filter(target__username__startswith="ending").page_of_queue(now, 1, 9, queues=["ending"])
    assert [name_of[pk] for pk in one] == ["ending-2"]


@pytest.mark.django_db
def test_the_order_comes_after_another_sort_key(evening: dict[str, list[str]], now: datetime) -> None:
    found = names(LiveStreamBan.all_objects.in_queue_order(now, "review"))
    waiting = [name for queue in Queue for name in evening[queue] if name != "appeal-1"]
    assert found == [*waiting, "lifted", "appeal-1", "upheld-1", "upheld-2"]


@pytest.mark.django_db(transaction=True)
def test_a_claim_that_changes_hands_while_it_is_locked_is_taken_over() -> None:
    ban = make_ban(make_user("viewer"), make_stream(make_user("creator"), "active"))
    first, second, third = make_user("first"), make_user("second"), make_user("third")
    services.take_claim(ban.pk, by=first, now=timezone.now() - HOUR)
    held = Event()

    def run(number: int) -> None:
        if number:
            assert held.wait(PATIENCE)
            services.take_over_claim(ban.pk, by=third, now=timezone.now())
            return
        with transaction.atomic():
            services.take_claim(ban.pk, by=second, now=timezone.now())
            held.set()
            until_another_waits()

    at_once(2, run)

    assert ReviewClaim.objects.get().moderator == third
