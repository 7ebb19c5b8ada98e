"""Who is told what and when, as the rules of the contract say."""

from datetime import datetime, timedelta

import pytest

from accounts.models import User
from livestreams import services as streams
from livestreams.models import LiveStream
from reminders import services
from reminders.models import Chunk, Notification, Round
from tests.reminders.working import work
from tests.streams import make_stream

MINUTE = timedelta(minutes=1)


@pytest.fixture
def stream(creator: User, now: datetime) -> LiveStream:
    """Planned in an hour."""
    return make_stream(creator, now=now)


def notices() -> list[tuple[str, str]]:
    told = Notification.objects.order_by("created_at", "user").values_list("kind", "user__username")
    return [(str(kind), username) for kind, username in told]


def remind(user: User, stream: LiveStream, now: datetime, minute: int | None = 15) -> None:
    services.set_reminder(stream.pk, by=user, now=now, minute=minute, language="en")


def test_a_lead_time_is_told_once_when_it_comes(stream: LiveStream, viewer: User, now: datetime) -> None:
    remind(viewer, stream, now)
    work(now + 44 * MINUTE)
    assert notices() == []
    for minutes in (45, 46, 50):
        work(now + minutes * MINUTE)
    assert notices() == [("reminder", "viewer")]


def test_who_was_told_before_gets_no_live_on_top(
    stream: LiveStream, creator: User, viewer: User, stranger: User, now: datetime
) -> None:
    remind(viewer, stream, now)
    remind(stranger, stream, now, minute=None)
    work(now + 45 * MINUTE)
    streams.start_stream(stream.pk, by=creator, now=now + 60 * MINUTE)
    work(now + 61 * MINUTE)
    assert notices() == [("reminder", "viewer"), ("live", "stranger")]


def test_an_early_start_tells_all_who_still_wait(
    stream: LiveStream, creator: User, viewer: User, stranger: User, now: datetime
) -> None:
    remind(viewer, stream, now)
    remind(stranger, stream, now, minute=None)
    streams.start_stream(stream.pk, by=creator, now=now + 5 * MINUTE)
    work(now + 5 * MINUTE)
    work(now + 46 * MINUTE)
    assert sorted(notices()) == [("live", "stranger"), ("live", "viewer")]


def test_a_cancel_tells_those_who_waited_once(stream: LiveStream, creator: User, viewer: User, now: datetime) -> None:
    remind(viewer, stream, now)
    streams.cancel_stream(stream.pk, by=creator, now=now + MINUTE)
    work(now + MINUTE)
    work(now + 46 * MINUTE)
    assert notices() == [("cancelled", "viewer")]


def test_what_is_older_than_the_grace_is_missed_and_counted(stream: LiveStream, viewer: User, now: datetime) -> None:
    remind(viewer, stream, now)
    work(now + MINUTE)
    work(now + 56 * MINUTE)
    assert notices() == []
    assert Round.objects.values_list("state", "reminders").get() == ("missed", 1)
    assert not Chunk.objects.exists()


def test_a_start_moved_after_its_notice_earns_a_new_one(
    stream: LiveStream, creator: User, viewer: User, now: datetime
) -> None:
    remind(viewer, stream, now)
    work(now + 45 * MINUTE)
    moved = {"planned_start_at": now + 120 * MINUTE}
    streams.edit_stream(stream.pk, by=creator, now=now + 50 * MINUTE, changes=moved)
    work(now + 50 * MINUTE)
    work(now + 105 * MINUTE)
    assert notices() == [("reminder", "viewer"), ("reminder", "viewer")]
