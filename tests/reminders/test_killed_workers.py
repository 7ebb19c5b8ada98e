"""Killed workers lose no notification and send none twice."""

import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from http.server import BaseHTTPRequestHandler
from random import Random

import pytest
from django.db import connection
from django.db.models import Sum
from django.utils import timezone

from accounts.models import User
from livestreams import services as streams
from reminders.models import Chunk, Delivery, Notification, Round
from tests.patience import wait_until
from tests.reminders.processes import (
    are_ready,
    let_wait,
    newest_worker,
    posting_to,
    running_workers,
    start_worker,
)
from tests.reminders.receiver import Gateway, answering, receiving
from tests.streams import make_stream

PEOPLE = 100_000
SECONDS_BETWEEN_KILLS = 2
SECONDS_UNTIL_ANSWER = 0.5
# Delays each chunk, so that workers are killed in the middle of some.
ADD_DELAY = """
    CREATE FUNCTION slow_down() RETURNS trigger LANGUAGE plpgsql AS
        'BEGIN PERFORM pg_sleep(0.3); RETURN NULL; END';
    CREATE TRIGGER slowed AFTER INSERT ON reminders_notification EXECUTE FUNCTION slow_down();
"""
REMOVE_DELAY = "DROP FUNCTION slow_down CASCADE"


@pytest.fixture(autouse=True)
def _slow_notifications(transactional_db: None) -> Iterator[None]:
    with connection.cursor() as cursor:
        cursor.execute(ADD_DELAY)
    yield
    with connection.cursor() as cursor:
        cursor.execute(REMOVE_DELAY)


def answering_slowly(gateway: Gateway, handler: BaseHTTPRequestHandler) -> None:
    gateway.over.wait(SECONDS_UNTIL_ANSWER)
    with suppress(BrokenPipeError):  # the client was killed meanwhile
        answering(204)(gateway, handler)


def is_done() -> bool:
    return (
        not Round.objects.filter(state=Round.State.OPEN).exists()
        and not Chunk.objects.filter(state=Chunk.State.WAITING).exists()
        and not Delivery.objects.filter(state=Delivery.State.PENDING).exists()
    )


def may_kill_next(newest: int, began: float) -> bool:
    return is_done() or (time.monotonic() > began + SECONDS_BETWEEN_KILLS and are_ready(1, since=newest))


def test_a_hundred_thousand_users_are_notified_exactly_once_while_workers_are_killed(creator: User) -> None:
    stream = make_stream(creator)
    let_wait(PEOPLE, stream)
    chance, kills = Random(4), 0
    with receiving(answering_slowly) as gateway, running_workers(2, environment=posting_to(gateway)) as workers:
        streams.start_stream(stream.pk, by=creator, now=timezone.now())
        wait_until(Notification.objects.exists)
        while not is_done():
            before, began = newest_worker(), time.monotonic()
            victim = chance.randrange(len(workers))
            workers[victim].kill()
            workers[victim].wait()
            workers[victim] = start_worker(posting_to(gateway))
            kills += 1
            # Wait until the new worker has started, which may take longer. Otherwise no worker would ever run.
            wait_until(partial(may_kill_next, before, began))
        calls = list(gateway.calls)

    assert kills >= 3
    waiting = set(User.objects.filter(username__startswith="waiting").values_list("pk", flat=True))
    notified = list(Notification.objects.values_list("user_id", flat=True))
    assert len(notified) == PEOPLE
    assert set(notified) == waiting
    assert set(Chunk.objects.values_list("state", flat=True)) == {Chunk.State.NOTIFIED}
    assert Chunk.objects.aggregate(notified=Sum("notified"))["notified"] == PEOPLE
    assert set(Delivery.objects.values_list("state", flat=True)) == {Delivery.State.DELIVERED}

    by_key: dict[str, set[tuple[str, ...]]] = defaultdict(set)
    for call in calls:
        by_key[call.key].add(tuple(call.recipients))
    # A repeated batch has the same recipients.
    assert all(len(batches) == 1 for batches in by_key.values())
    reached = [person for (people,) in by_key.values() for person in people]
    assert len(reached) == PEOPLE
    assert set(reached) == waiting
