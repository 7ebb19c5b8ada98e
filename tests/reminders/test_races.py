"""Race conditions, with real threads: nobody is left out, notified twice or notified of what is not true."""

from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from django.db import connection
from django.utils import timezone

from accounts.models import User
from bans import services as bans
from common.models import AuditEntry
from common.refusals import Refusal
from livestreams import services as streams
from livestreams.models import LiveStream
from reminders import services
from reminders.models import Chunk, Notification, Reminder, Round
from tests.conftest import make_user
from tests.races import at_once
from tests.reminders.asking import remind
from tests.reminders.working import cut, find, jobs, run, work, work_off
from tests.streams import make_stream

pytestmark = pytest.mark.django_db(transaction=True)

ROUNDS = 10
MINUTE = timedelta(minutes=1)


@pytest.fixture
def viewers(transactional_db: None) -> list[User]:
    return [make_user(f"viewer{number}") for number in range(8)]


def try_to_set(user: User, stream: LiveStream, now: datetime, minute: int | None) -> bool:
    """Whether the call was accepted."""
    try:
        services.set_reminder(stream.pk, by=user, now=now, minute=minute, language="en")
    except Refusal:
        return False
    return True


def notified(stream: LiveStream) -> set[str]:
    return set(Notification.objects.filter(stream=stream).values_list("user_id", flat=True))


def test_fifty_concurrent_calls_of_one_user_set_one_reminder_and_audit_each_change(creator: User, viewer: User) -> None:
    stream, now = make_stream(creator), timezone.now()
    minutes = [5, 10, 15, 20, None]
    assert all(at_once(50, lambda number: try_to_set(viewer, stream, now, minutes[number % len(minutes)])))

    reminder = Reminder.objects.get()
    trail = list(AuditEntry.objects.filter(action="set_reminder").order_by("id"))
    assert {entry.target_id for entry in trail} == {reminder.pk}
    assert trail[0].before == {}
    assert trail[-1].after["minute"] == reminder.minute
    for earlier, later in pairwise(trail):
        assert later.before["minute"] == earlier.after["minute"]


@pytest.mark.parametrize("repetition", range(ROUNDS))
def test_a_reminder_set_while_the_stream_starts_is_sent_or_refused(
    repetition: int, creator: User, viewers: list[User]
) -> None:
    stream, now = make_stream(creator), timezone.now()
    if repetition % 2:
        remind(viewers[0], stream, minute=None, now=now)

    def run_one(number: int) -> bool:
        if number == len(viewers):
            streams.start_stream(stream.pk, by=creator, now=now)
            return False
        return try_to_set(viewers[number], stream, now, None)

    accepted = at_once(len(viewers) + 1, run_one)
    work_off(now + MINUTE)
    expected = {viewer.pk for viewer, was in zip(viewers, accepted, strict=False) if was}
    assert notified(stream) == expected | ({viewers[0].pk} if repetition % 2 else set())


@pytest.mark.parametrize("repetition", range(ROUNDS))
def test_a_reminder_set_while_its_round_is_cut_is_sent_or_refused(
    repetition: int, creator: User, viewers: list[User]
) -> None:
    """The clocks of the callers are a second behind, so the reminder is not yet due for them."""
    now = timezone.now()
    stream = make_stream(creator, now=now)
    due = now + 45 * MINUTE
    remind(viewers[0], stream, minute=15, now=now)

    def run_one(number: int) -> bool:
        if number == 0:
            find(due)
            cut(due)
            return True
        return try_to_set(viewers[number], stream, due - timedelta(seconds=1), 15)

    accepted = at_once(len(viewers), run_one)
    work(due + MINUTE)
    assert notified(stream) == {viewer.pk for viewer, was in zip(viewers, accepted, strict=True) if was}


@pytest.mark.parametrize("repetition", range(ROUNDS))
def test_a_user_banned_while_setting_a_reminder_is_not_notified(repetition: int, creator: User, viewer: User) -> None:
    stream, now = make_stream(creator), timezone.now()

    def run_one(number: int) -> bool:
        if number == 0:
            bans.ban_user(viewer.pk, stream.pk, by=creator, now=now)
            return True
        return try_to_set(viewer, stream, now, None)

    at_once(4, run_one)
    streams.start_stream(stream.pk, by=creator, now=now)
    work_off(now + MINUTE)
    assert notified(stream) == set()


@pytest.mark.parametrize("repetition", range(ROUNDS))
def test_a_user_banned_while_their_chunk_is_notified_is_notified_before_the_ban_or_not_at_all(
    repetition: int, creator: User, viewer: User
) -> None:
    stream, now = make_stream(creator), timezone.now()
    remind(viewer, stream, minute=None, now=now)
    streams.start_stream(stream.pk, by=creator, now=now)
    cut(now)
    (job,) = jobs(now + MINUTE)

    def run_one(number: int) -> None:
        if number:
            bans.ban_user(viewer.pk, stream.pk, by=creator, now=now)
        else:
            run(job, now)

    at_once(2, run_one)
    order = list(
        AuditEntry.objects.filter(action__in=["ban_user", "notify_chunk"])
        .order_by("id")
        .values_list("action", flat=True)
    )
    assert bool(notified(stream)) == (order[0] == "notify_chunk")


@pytest.mark.parametrize("repetition", range(ROUNDS))
def test_concurrent_finders_open_one_round(repetition: int, creator: User, viewer: User) -> None:
    now = timezone.now()
    stream = make_stream(creator, now=now)
    remind(viewer, stream, now=now)
    at_once(8, lambda number: services.open_due_rounds(now + 45 * MINUTE, wait=number % 2 == 1))
    assert Round.objects.count() == 1
    assert len(jobs(now + 45 * MINUTE)) == 1


def test_a_job_that_several_workers_run_is_done_once(creator: User, viewers: list[User]) -> None:
    now = timezone.now()
    stream = make_stream(creator, now=now)
    for viewer in viewers:
        remind(viewer, stream, minute=None, now=now)
    streams.start_stream(stream.pk, by=creator, now=now)
    for expected in (1, 1):
        (job,) = jobs(now)
        done = at_once(8, lambda _, job=job: run(job, now))  # type: ignore[misc]
        assert sum(map(bool, done)) <= expected
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM procrastinate_jobs WHERE id = %s", [job.id])
    assert notified(stream) == {viewer.pk for viewer in viewers}
    assert Notification.objects.count() == len(viewers)
    assert AuditEntry.objects.filter(action="notify_chunk").count() == 1


@pytest.mark.parametrize("repetition", range(ROUNDS))
def test_reminders_of_a_stream_that_is_being_cancelled_are_sent_before_it_or_void(
    repetition: int, creator: User, viewers: list[User], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reminders.services.rounds.CHUNK", 2)
    now = timezone.now()
    stream = make_stream(creator, now=now)
    due = now + 45 * MINUTE
    for viewer in viewers:
        remind(viewer, stream, now=now)
    find(due)
    cut(due)
    chunks = jobs(due)
    assert len(chunks) == 4

    def run_one(number: int) -> None:
        if number == len(chunks):
            streams.cancel_stream(stream.pk, by=creator, now=due)
        else:
            run(chunks[number], due)

    at_once(len(chunks) + 1, run_one)
    cancelled = AuditEntry.objects.get(action="cancel_stream").pk
    for entry in AuditEntry.objects.filter(action="notify_chunk"):
        assert entry.after["state"] == ("notified" if entry.pk < cancelled else "void")
    work_off(due)
    assert Notification.objects.filter(kind="cancelled").count() == len(viewers)
    assert Chunk.objects.filter(round__kind="reminder", state="waiting").count() == 0
