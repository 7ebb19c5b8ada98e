"""Notifications of one plan around the begin of a month, where the unique constraint of a partition ends."""

import threading
from collections import Counter
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection, transaction

from accounts.models import User
from common.partitions import begin_of, month_of, partitions_of
from livestreams.models import LiveStream
from livestreams.services import start_stream
from reminders import services
from reminders.models import Notification, Round
from reminders.services import chunks
from tests.patience import PATIENCE
from tests.reminders.working import work
from tests.streams import make_stream

MINUTE = timedelta(minutes=1)


@pytest.fixture
def midnight(db: None) -> datetime:
    """The begin of a month at which a partition ends."""
    end = partitions_of(Notification._meta.db_table)[0].end
    assert end is not None
    return begin_of(end)


@pytest.fixture
def stream(creator: User, midnight: datetime) -> LiveStream:
    """Planned 20 minutes after the begin of the month."""
    return make_stream(creator, now=midnight - 600 * MINUTE, planned_start_at=midnight + 20 * MINUTE)


def remind(user: User, stream: LiveStream, now: datetime, minute: int) -> None:
    services.set_reminder(stream.pk, by=user, now=now, minute=minute, language="en")


def months() -> list[int]:
    return sorted(month_of(at) for at in Notification.objects.values_list("created_at", flat=True))


def test_a_user_who_had_the_reminder_last_month_does_not_get_it_again(
    stream: LiveStream, viewer: User, stranger: User, midnight: datetime
) -> None:
    remind(viewer, stream, midnight - 300 * MINUTE, 60)
    work(midnight - 40 * MINUTE)
    remind(viewer, stream, midnight - 30 * MINUTE, 15)
    remind(stranger, stream, midnight - 30 * MINUTE, 15)
    work(midnight + 5 * MINUTE)
    assert Counter(Notification.objects.values_list("user__username", flat=True)) == {"viewer": 1, "stranger": 1}
    assert months() == [month_of(midnight) - 1, month_of(midnight)]


def test_a_user_who_had_the_reminder_last_month_is_not_sent_live(
    stream: LiveStream, creator: User, viewer: User, midnight: datetime
) -> None:
    remind(viewer, stream, midnight - 300 * MINUTE, 60)
    work(midnight - 40 * MINUTE)
    start_stream(stream.pk, by=creator, now=midnight + 19 * MINUTE)
    work(midnight + 19 * MINUTE)
    assert months() == [month_of(midnight) - 1]


@pytest.mark.django_db(transaction=True)
def test_two_rounds_of_one_plan_in_two_months_at_once_notify_once(
    stream: LiveStream, viewer: User, midnight: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first chunk has inserted its rows and not committed when the second one runs."""
    remind(viewer, stream, midnight - 300 * MINUTE, 21)
    before, after = midnight - MINUTE / 2, midnight + MINUTE / 2
    (first,) = _chunks_at(before)
    remind(viewer, stream, midnight - MINUTE / 4, 20)
    (second,) = _chunks_at(after)
    inserted, waited = threading.Event(), threading.Event()
    hand_over = chunks._hand_over

    def slowly(*arguments: Any) -> Any:
        inserted.set()
        waited.wait(1.5)
        return hand_over(*arguments)

    def run(chunk: str, now: datetime) -> None:
        try:
            services.notify_chunk(chunk, now=now)
        finally:
            connection.close()

    monkeypatch.setattr(chunks, "_hand_over", slowly)
    # In the order in which the first one would notify too: the reminder was moved after its chunk was cut.
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("UPDATE reminders_reminder SET minute = 21")
    slow = threading.Thread(target=run, args=(first, before))
    slow.start()
    assert inserted.wait(PATIENCE)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("UPDATE reminders_reminder SET minute = 20")
    quick = threading.Thread(target=run, args=(second, after))
    quick.start()
    quick.join(PATIENCE)
    slow.join(PATIENCE)
    assert months() == [month_of(midnight) - 1]


def _chunks_at(now: datetime) -> list[str]:
    services.open_due_rounds(now)
    return [chunk for one in Round.objects.filter(state="open") for chunk in _cut(one.pk, now)]


def _cut(round_id: str, now: datetime) -> list[str]:
    return list(services.cut_round(round_id, now=now))


def test_a_chunk_that_took_too_long_changes_nothing(
    stream: LiveStream, viewer: User, midnight: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    remind(viewer, stream, midnight - 300 * MINUTE, 60)
    now = midnight - 40 * MINUTE
    (chunk,) = _chunks_at(now)
    monkeypatch.setattr(chunks, "LONGEST_TRANSACTION", -1)
    with pytest.raises(chunks.TooSlow):
        services.notify_chunk(chunk, now=now)
    assert not Notification.objects.exists()
    monkeypatch.undo()
    services.notify_chunk(chunk, now=now)
    assert Notification.objects.count() == 1


@pytest.mark.parametrize(
    ("away", "mode"),
    [(timedelta(0), "ExclusiveLock"), (9 * MINUTE, "ExclusiveLock"), (-9 * MINUTE, "ExclusiveLock"),
     (11 * MINUTE, "ShareLock"), (-11 * MINUTE, "ShareLock")],
)  # fmt: skip
def test_chunks_of_a_stream_run_beside_each_other_except_around_the_begin_of_a_month(
    away: timedelta, mode: str, stream: LiveStream, midnight: datetime
) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        chunks._lock(stream.pk, midnight + away)
        cursor.execute("SELECT mode FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()")
        assert [row[0] for row in cursor.fetchall()] == [mode]
