"""Who is told what and when, as the rules of the contract say."""

from datetime import datetime, timedelta

import pytest

from accounts.models import User
from bans import services as bans
from livestreams import services as streams
from livestreams.models import LiveStream
from reminders import services
from reminders.models import Chunk, Notification, Round
from tests.conftest import make_user
from tests.reminders.working import cut, find, work
from tests.streams import make_stream

MINUTE = timedelta(minutes=1)


@pytest.fixture
def stream(creator: User, now: datetime) -> LiveStream:
    """Planned in an hour."""
    return make_stream(creator, now=now)


def notices() -> list[tuple[str, str]]:
    told = Notification.objects.order_by("created_at", "user__username").values_list("kind", "user__username")
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


def test_who_is_blocked_when_it_is_told_hears_nothing_before_the_start_and_nothing_at_it(
    stream: LiveStream, creator: User, viewer: User, stranger: User, now: datetime
) -> None:
    remind(viewer, stream, now)
    remind(stranger, stream, now)
    bans.ban_user(viewer.pk, stream.pk, by=creator, now=now + MINUTE)
    work(now + 45 * MINUTE)
    streams.start_stream(stream.pk, by=creator, now=now + 60 * MINUTE)
    work(now + 60 * MINUTE)
    assert notices() == [("reminder", "stranger")]


def test_who_may_only_not_write_is_told_as_everybody(
    stream: LiveStream, creator: User, viewer: User, now: datetime
) -> None:
    remind(viewer, stream, now)
    bans.ban_user(viewer.pk, stream.pk, by=creator, now=now, action_type="CHAT_ONLY")
    work(now + 45 * MINUTE)
    assert notices() == [("reminder", "viewer")]


@pytest.mark.parametrize("ends", ["lifted", "lapsed"])
def test_a_ban_that_ended_before_the_moment_lets_the_reminder_live(
    ends: str, stream: LiveStream, creator: User, viewer: User, now: datetime
) -> None:
    remind(viewer, stream, now)
    until = now + 45 * MINUTE if ends == "lapsed" else None
    ban = bans.ban_user(viewer.pk, stream.pk, by=creator, now=now, expires_at=until)
    if ends == "lifted":
        bans.lift_ban(ban.pk, by=creator, now=now + 44 * MINUTE)
    work(now + 45 * MINUTE)
    assert notices() == [("reminder", "viewer")]


def test_who_was_blocked_at_the_moment_and_is_not_at_the_start_is_told_then(
    stream: LiveStream, creator: User, viewer: User, now: datetime
) -> None:
    remind(viewer, stream, now)
    bans.ban_user(viewer.pk, stream.pk, by=creator, now=now, expires_at=now + 50 * MINUTE)
    work(now + 45 * MINUTE)
    streams.start_stream(stream.pk, by=creator, now=now + 60 * MINUTE)
    work(now + 60 * MINUTE)
    assert notices() == [("live", "viewer")]


def test_a_cancel_tells_those_too_who_were_reminded_and_nobody_who_is_blocked(
    stream: LiveStream, creator: User, viewer: User, stranger: User, now: datetime
) -> None:
    remind(viewer, stream, now)
    remind(stranger, stream, now)
    work(now + 45 * MINUTE)
    bans.ban_user(stranger.pk, stream.pk, by=creator, now=now + 46 * MINUTE)
    streams.cancel_stream(stream.pk, by=creator, now=now + 50 * MINUTE)
    # Nobody shall wait for what does not come: it is worth saying until the planned start and the grace are over.
    work(now + 70 * MINUTE)
    assert notices() == [("reminder", "stranger"), ("reminder", "viewer"), ("cancelled", "viewer")]


def test_a_minute_that_is_changed_after_its_round_was_cut_is_told_at_the_new_one(
    stream: LiveStream, viewer: User, now: datetime
) -> None:
    remind(viewer, stream, now)
    find(now + 45 * MINUTE)
    cut(now + 45 * MINUTE)
    remind(viewer, stream, now + 46 * MINUTE, minute=5)
    work(now + 46 * MINUTE)
    assert notices() == []
    work(now + 55 * MINUTE)
    assert notices() == [("reminder", "viewer")]


def test_chunks_of_any_size_leave_nobody_out(
    stream: LiveStream, creator: User, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = [make_user(f"viewer{number}") for number in range(6)]
    for person in people:
        remind(person, stream, now, minute=None)
    streams.start_stream(stream.pk, by=creator, now=now)
    monkeypatch.setattr("reminders.services.rounds.CHUNK", 3)
    cut(now)
    assert Chunk.objects.count() == 2
    work(now)
    assert notices() == [("live", person.username) for person in people]
    assert list(Chunk.objects.order_by("number").values_list("notified", flat=True)) == [3, 3]
