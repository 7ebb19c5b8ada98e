"""Which notifications are sent, to whom and when."""

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


def notifications() -> list[tuple[str, str]]:
    rows = Notification.objects.order_by("created_at", "user__username").values_list("kind", "user__username")
    return [(str(kind), username) for kind, username in rows]


def remind(user: User, stream: LiveStream, now: datetime, minute: int | None = 15) -> None:
    services.set_reminder(stream.pk, by=user, now=now, minute=minute, language="en")


def test_a_reminder_is_sent_once_when_it_is_due(stream: LiveStream, viewer: User, now: datetime) -> None:
    remind(viewer, stream, now)
    work(now + 44 * MINUTE)
    assert notifications() == []
    for minutes in (45, 46, 50):
        work(now + minutes * MINUTE)
    assert notifications() == [("reminder", "viewer")]


def test_users_who_had_the_reminder_are_not_sent_live(
    stream: LiveStream, creator: User, viewer: User, stranger: User, now: datetime
) -> None:
    remind(viewer, stream, now)
    remind(stranger, stream, now, minute=None)
    work(now + 45 * MINUTE)
    streams.start_stream(stream.pk, by=creator, now=now + 60 * MINUTE)
    work(now + 61 * MINUTE)
    assert notifications() == [("reminder", "viewer"), ("live", "stranger")]


def test_an_early_start_notifies_all_who_have_not_had_the_reminder(
    stream: LiveStream, creator: User, viewer: User, stranger: User, now: datetime
) -> None:
    remind(viewer, stream, now)
    remind(stranger, stream, now, minute=None)
    streams.start_stream(stream.pk, by=creator, now=now + 5 * MINUTE)
    work(now + 5 * MINUTE)
    work(now + 46 * MINUTE)
    assert sorted(notifications()) == [("live", "stranger"), ("live", "viewer")]


def test_a_cancellation_notifies_once(stream: LiveStream, creator: User, viewer: User, now: datetime) -> None:
    remind(viewer, stream, now)
    streams.cancel_stream(stream.pk, by=creator, now=now + MINUTE)
    work(now + MINUTE)
    work(now + 46 * MINUTE)
    assert notifications() == [("cancelled", "viewer")]


def test_what_is_later_than_the_grace_is_counted_as_missed(stream: LiveStream, viewer: User, now: datetime) -> None:
    remind(viewer, stream, now)
    work(now + MINUTE)
    work(now + 56 * MINUTE)
    assert notifications() == []
    assert Round.objects.values_list("state", "reminders").get() == ("missed", 1)
    assert not Chunk.objects.exists()


def test_a_start_moved_after_its_reminder_sends_a_new_one(
    stream: LiveStream, creator: User, viewer: User, now: datetime
) -> None:
    remind(viewer, stream, now)
    work(now + 45 * MINUTE)
    moved = {"planned_start_at": now + 120 * MINUTE}
    streams.edit_stream(stream.pk, by=creator, now=now + 50 * MINUTE, changes=moved)
    work(now + 50 * MINUTE)
    work(now + 105 * MINUTE)
    assert notifications() == [("reminder", "viewer"), ("reminder", "viewer")]


def test_a_blocked_user_is_notified_neither_before_nor_at_the_start(
    stream: LiveStream, creator: User, viewer: User, stranger: User, now: datetime
) -> None:
    remind(viewer, stream, now)
    remind(stranger, stream, now)
    bans.ban_user(viewer.pk, stream.pk, by=creator, now=now + MINUTE)
    work(now + 45 * MINUTE)
    streams.start_stream(stream.pk, by=creator, now=now + 60 * MINUTE)
    work(now + 60 * MINUTE)
    assert notifications() == [("reminder", "stranger")]


def test_a_chat_only_ban_does_not_prevent_notifications(
    stream: LiveStream, creator: User, viewer: User, now: datetime
) -> None:
    remind(viewer, stream, now)
    bans.ban_user(viewer.pk, stream.pk, by=creator, now=now, action_type="CHAT_ONLY")
    work(now + 45 * MINUTE)
    assert notifications() == [("reminder", "viewer")]


@pytest.mark.parametrize("ends", ["lifted", "lapsed"])
def test_a_ban_that_ended_before_the_due_time_has_no_effect(
    ends: str, stream: LiveStream, creator: User, viewer: User, now: datetime
) -> None:
    remind(viewer, stream, now)
    until = now + 45 * MINUTE if ends == "lapsed" else None
    ban = bans.ban_user(viewer.pk, stream.pk, by=creator, now=now, expires_at=until)
    if ends == "lifted":
        bans.lift_ban(ban.pk, by=creator, now=now + 44 * MINUTE)
    work(now + 45 * MINUTE)
    assert notifications() == [("reminder", "viewer")]


def test_a_user_blocked_at_the_due_time_but_not_at_the_start_is_sent_live(
    stream: LiveStream, creator: User, viewer: User, now: datetime
) -> None:
    remind(viewer, stream, now)
    bans.ban_user(viewer.pk, stream.pk, by=creator, now=now, expires_at=now + 50 * MINUTE)
    work(now + 45 * MINUTE)
    streams.start_stream(stream.pk, by=creator, now=now + 60 * MINUTE)
    work(now + 60 * MINUTE)
    assert notifications() == [("live", "viewer")]


def test_a_cancellation_notifies_users_who_had_the_reminder_but_not_blocked_ones(
    stream: LiveStream, creator: User, viewer: User, stranger: User, now: datetime
) -> None:
    remind(viewer, stream, now)
    remind(stranger, stream, now)
    work(now + 45 * MINUTE)
    bans.ban_user(stranger.pk, stream.pk, by=creator, now=now + 46 * MINUTE)
    streams.cancel_stream(stream.pk, by=creator, now=now + 50 * MINUTE)
    # A cancellation is sent until the grace after the planned start is over.
    work(now + 70 * MINUTE)
    assert notifications() == [("reminder", "stranger"), ("reminder", "viewer"), ("cancelled", "viewer")]


def test_a_lead_time_changed_after_its_round_was_cut_is_sent_at_the_new_time(
    stream: LiveStream, viewer: User, now: datetime
) -> None:
    remind(viewer, stream, now)
    find(now + 45 * MINUTE)
    cut(now + 45 * MINUTE)
    remind(viewer, stream, now + 46 * MINUTE, minute=5)
    work(now + 46 * MINUTE)
    assert notifications() == []
    work(now + 55 * MINUTE)
    assert notifications() == [("reminder", "viewer")]


def test_chunks_cover_all_users(
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
    assert notifications() == [("live", person.username) for person in people]
    assert list(Chunk.objects.order_by("number").values_list("notified", flat=True)) == [3, 3]
