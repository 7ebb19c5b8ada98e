"""Passes of counting: how much of the time they may take, who counts, and that a chunk is counted once at a time."""

from datetime import datetime, timedelta
from time import sleep
from typing import Any

import pytest
from django.db import OperationalError, connection

from accounts.models import User
from edges.models import CountingPass, Participant, ViewerCount
from edges.services import LIVE, admit
from edges.services.counting import Counting
from edges.tasks import count_live_viewers, count_viewers_of_creators
from livestreams.models import Status
from tests.conftest import make_user
from tests.races import at_once
from tests.streams import make_stream

SECOND = timedelta(seconds=1)


def counting(chunks: list[str | None], seen: list[str | None]) -> Counting:
    def count(after: str | None, current: CountingPass) -> str | None:
        seen.append(after)
        return chunks[len(seen) - 1]

    return Counting("of a test", count, rest=100, longest=60 * SECOND)


def begun(now: datetime, seconds: float) -> CountingPass:
    return CountingPass(name="of a test", begun_at=now, seconds=seconds)


@pytest.mark.parametrize(
    ("took", "rest"),
    [(0.001, 0.1), (0.1, 10), (0.6, 60), (3, 60), (6, 60), (30, 300)],
)
def test_a_pass_rests_as_long_as_its_cost_demands(took: float, rest: float, now: datetime) -> None:
    """A hundred times as long, up to a minute; but never less than ten times as long."""
    counts = counting([], [])

    assert not counts.is_due(begun(now, took), now + (rest - 0.01) * SECOND)
    assert counts.is_due(begun(now, took), now + rest * SECOND)
    assert counts.is_due(begun(now, took), now - rest * SECOND), "a clock that was ahead"


def test_requests_count_one_chunk_each_and_continue_a_pass_that_no_worker_finishes(db: None, now: datetime) -> None:
    ids = ["a" * 24, "b" * 24]
    seen: list[str | None] = []
    counts = counting([*ids, None, None], seen)

    for seconds in (0, 9, 10, 11):
        counts.refresh(now + seconds * SECOND)

    assert seen == [None, *ids], "after 9 seconds it is left to a worker"
    CountingPass.objects.update(seconds=1.0)
    counts.refresh(now + 30 * SECOND)
    assert len(seen) == 3, "it is not due"
    counts.refresh(now + 60 * SECOND)
    assert seen[3:] == [None]
    assert CountingPass.objects.values_list("before_at", "begun_at").get() == (now, now + 60 * SECOND)


def test_a_worker_counts_all_chunks(db: None, now: datetime) -> None:
    seen: list[str | None] = []

    counting(["a" * 24, "b" * 24, None], seen).finish_pass(now)

    assert len(seen) == 3


def test_a_request_is_answered_although_a_chunk_could_not_be_counted(db: None, now: datetime) -> None:
    def count(after: str | None, current: CountingPass) -> str | None:
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL statement_timeout = 10")
            cursor.execute("SELECT pg_sleep(1)")
        return None

    counts = Counting("of a test", count, rest=1, longest=SECOND)

    counts.refresh(now)

    assert not CountingPass.objects.exists()
    with pytest.raises(OperationalError):
        counts.take_step(now)


@pytest.mark.django_db(transaction=True)
def test_of_many_at_once_one_counts_a_chunk(now: datetime) -> None:
    seen: list[str | None] = []

    def count(after: str | None, current: CountingPass) -> str | None:
        seen.append(after)
        sleep(0.05)
        return None

    counts = Counting("of a test", count, rest=100, longest=60 * SECOND)

    at_once(8, lambda _: counts.take_step(now))

    assert seen == [None]


def test_only_numbers_that_changed_are_written(creator: User, stranger: User, viewer: User, now: datetime) -> None:
    watched = make_stream(creator, Status.ACTIVE, now=now)
    other = make_stream(stranger, Status.ACTIVE, now=now)
    admit(viewer, watched.pk, status="active", role="audience", restriction=None, now=now)

    LIVE.finish_pass(now + SECOND)

    rows = dict(ViewerCount.objects.values_list("stream_id", "counted_at"))
    assert rows == {watched.pk: now + SECOND, other.pk: now}


def test_streams_that_an_older_version_started_are_found(creator: User, viewer: User, now: datetime) -> None:
    stream = make_stream(creator, Status.ACTIVE)
    admit(viewer, stream.pk, status="active", role="audience", restriction=None, now=now)
    ViewerCount.objects.all().delete()
    Participant.objects.update(role=None)

    LIVE.finish_pass(now)

    assert ViewerCount.objects.values_list("stream_id", "viewers", "is_live").get() == (stream.pk, 1, True)


def test_streams_that_an_older_version_ended_are_removed(creator: User, now: datetime) -> None:
    stream = make_stream(creator, Status.ENDED)
    ViewerCount.objects.create(stream=stream, viewers=3, counted_at=now, is_live=True)

    LIVE.finish_pass(now)

    assert not ViewerCount.objects.exists()


def test_a_number_that_was_stored_for_an_ended_stream_is_in_no_list(creator: User, now: datetime) -> None:
    """`viewer-count` may store one, because viewers of a stream that just ended still ask."""
    stream = make_stream(creator, Status.ENDED)
    ViewerCount.objects.create(stream=stream, viewers=5_000, counted_at=now)

    LIVE.finish_pass(now)

    assert ViewerCount.objects.values_list("viewers", "is_live").get() == (5_000, False)


def test_many_streams_are_counted_in_chunks(now: datetime, db: None, monkeypatch: Any) -> None:
    monkeypatch.setattr("edges.services.live.CHUNK", 2)
    fan = make_user("fan")
    for number in range(5):
        stream = make_stream(make_user(f"host{number}"), Status.ACTIVE)
        admit(fan, stream.pk, status="active", role="audience", restriction=None, now=now)

    LIVE.finish_pass(now)

    assert list(ViewerCount.objects.values_list("viewers", flat=True)) == [1] * 5


def test_the_tasks_count(creator: User, viewer: User, now: datetime) -> None:
    stream = make_stream(creator, Status.ACTIVE)
    admit(viewer, stream.pk, status="active", role="audience", restriction=None, now=now)

    count_live_viewers(0)
    count_viewers_of_creators(0)

    assert ViewerCount.objects.values_list("viewers", flat=True).get() == 1
    assert set(CountingPass.objects.values_list("name", flat=True)) == {"live viewers", "viewers of creators"}
