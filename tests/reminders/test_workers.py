"""Real worker processes: latency, concurrency, SIGTERM, a database restart, and jobs of killed workers."""

import signal
import time
from collections import Counter
from functools import partial
from http.server import BaseHTTPRequestHandler
from statistics import median

import psycopg
import pytest
from django.db import connection
from django.utils import timezone

from accounts.models import User
from common.jobs import FAST_QUEUE
from common.models import AuditEntry
from livestreams import services as streams
from livestreams.models import LiveStream
from reminders.models import Chunk, Delivery, Notification
from tests.backends import waiting_locks
from tests.conftest import make_user
from tests.patience import PATIENCE, wait_until
from tests.reminders.asking import remind
from tests.reminders.processes import let_wait, posting_to, running_workers
from tests.reminders.receiver import Gateway, answering, hanging, receiving
from tests.servers import lost_database, terminated_connections
from tests.streams import make_stream

STARTS = 20
DELIVERIES_AT_ONCE = 8

pytestmark = pytest.mark.django_db(transaction=True)


def awaited_stream(number: int = 0) -> LiveStream:
    """A stream with a reminder of one viewer for its start."""
    stream = make_stream(make_user(f"creator{number}"))
    remind(make_user(f"viewer{number}"), stream, minute=None)
    return stream


def start(stream: LiveStream) -> None:
    streams.start_stream(stream.pk, by=stream.creator, now=timezone.now())


def is_notified(stream: LiveStream) -> bool:
    return Notification.objects.filter(stream=stream).exists()


def count_jobs() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM procrastinate_jobs WHERE status <> 'todo' OR queueing_lock IS NULL")
        return int(cursor.fetchone()[0])


def test_an_idle_worker_calls_the_gateway_within_a_second_of_the_start() -> None:
    """A worker polls once a second, and the call is made by the third job. So notifications woke it up."""
    waiting = [awaited_stream(number) for number in range(STARTS)]
    delays = []
    with receiving(answering(204)) as gateway, running_workers(environment=posting_to(gateway)):
        for number, stream in enumerate(waiting):
            started = time.monotonic()
            start(stream)
            wait_until(partial(has_calls, gateway, number + 1))
            delays.append(time.monotonic() - started)
    assert median(delays) < 1, delays


def test_two_workers_run_each_job_once(creator: User) -> None:
    stream = make_stream(creator)
    let_wait(20_500, stream)
    with receiving(answering(204)) as gateway, running_workers(2, environment=posting_to(gateway)):
        start(stream)
        wait_until(lambda: Delivery.objects.filter(state=Delivery.State.DELIVERED).count() == 21)
        wait_until(lambda: count_jobs() == 0)
    assert Notification.objects.count() == 20_500
    assert AuditEntry.objects.filter(action="cut_round").count() == 1
    assert AuditEntry.objects.filter(action="notify_chunk").count() == 21
    assert set(Counter(call.key for call in gateway.calls).values()) == {1}


def test_a_worker_finishes_the_current_chunk_on_sigterm() -> None:
    stream = awaited_stream()
    with running_workers() as (worker,), new_connection() as other:
        other.execute("LOCK TABLE reminders_notification IN SHARE MODE")
        start(stream)
        wait_until(is_a_chunk_blocked)
        worker.send_signal(signal.SIGTERM)
        # The worker of the other queue is idle, so it stops first.
        wait_until(lambda: count_of("procrastinate_workers") == 1)
        assert worker.poll() is None
        other.commit()
        assert worker.wait(timeout=PATIENCE) == 0
    assert is_notified(stream)
    assert Chunk.objects.get().state == Chunk.State.NOTIFIED
    assert count_of("procrastinate_workers") == 0


def new_connection() -> psycopg.Connection:
    connection.ensure_connection()
    info = connection.connection.info
    return psycopg.connect(host=info.host, port=info.port, user=info.user, dbname=info.dbname)


def has_calls(gateway: Gateway, count: int) -> bool:
    return len(gateway.calls) >= count


def is_a_chunk_blocked() -> bool:
    return waiting_locks("relation = 'reminders_notification'::regclass") > 0


def count_of(table: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM {table}")
        return int(cursor.fetchone()[0])


def test_a_worker_finishes_the_current_delivery_on_sigterm() -> None:
    stream = awaited_stream()
    with receiving(answering_at_the_end) as gateway, running_workers(environment=posting_to(gateway)) as (worker,):
        start(stream)
        wait_until(lambda: bool(gateway.calls))
        worker.send_signal(signal.SIGTERM)
        wait_until(lambda: count_of("procrastinate_workers") == 1)
        gateway.over.set()
        assert worker.wait(timeout=PATIENCE) == 0
    assert Delivery.objects.get().state == Delivery.State.DELIVERED
    assert len(gateway.calls) == 1


def answering_at_the_end(gateway: Gateway, handler: BaseHTTPRequestHandler) -> None:
    gateway.over.wait(9)
    answering(204)(gateway, handler)


def test_an_idle_worker_stops_on_sigterm() -> None:
    with running_workers() as (worker,):
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(timeout=PATIENCE) == 0


def test_a_worker_reconnects_after_a_restart_of_the_database() -> None:
    before, after = awaited_stream(1), [awaited_stream(number) for number in range(2, 8)]
    with running_workers() as (worker,):
        start(before)
        wait_until(lambda: is_notified(before))
        with lost_database():
            connection.close()
            time.sleep(1)  # the worker polls at least once meanwhile
            assert worker.poll() is None
        for stream in after:
            start(stream)
        wait_until(lambda: all(map(is_notified, after)))
        assert worker.poll() is None


def test_no_job_fails_again_after_the_database_has_closed_the_connections() -> None:
    before, after = awaited_stream(1), awaited_stream(2)
    with running_workers():
        start(before)
        wait_until(lambda: is_notified(before))
        # The finder and the counting of viewers have used the threads.
        time.sleep(6)
        terminated_connections()
        start(after)
        wait_until(lambda: is_notified(after))
        failed = count_failures()
        time.sleep(6)
        assert count_failures() == failed


def count_failures() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM procrastinate_events WHERE type IN ('failed', 'deferred_for_retry')")
        return int(cursor.fetchone()[0])


def test_a_worker_stops_on_sigterm_while_the_database_is_down() -> None:
    with running_workers() as (worker,):
        with lost_database():
            connection.close()
            time.sleep(4)  # the worker has noticed and is reconnecting
            worker.send_signal(signal.SIGTERM)
            time.sleep(1)
        assert worker.wait(timeout=PATIENCE) == 0


def test_receivers_that_hang_do_not_delay_the_inbox() -> None:
    waiting = [awaited_stream(number) for number in range(DELIVERIES_AT_ONCE + 1)]
    with receiving(hanging) as gateway, running_workers(environment=posting_to(gateway)):
        for stream in waiting[:-1]:
            start(stream)
        wait_until(lambda: len(gateway.calls) >= DELIVERIES_AT_ONCE)
        start(waiting[-1])
        wait_until(lambda: is_notified(waiting[-1]), seconds=5)
        gateway.over.set()


INSERT_STALLED_JOB = """
    INSERT INTO procrastinate_jobs (queue_name, task_name, queueing_lock, args, status)
    VALUES (%s, %s, %s, %s, 'doing')
"""


def test_jobs_of_killed_workers_are_taken_over_despite_stalled_periodic_jobs() -> None:
    """Of several jobs with one queueing lock only one can wait, so the others cannot be put back into the queue."""
    stream = awaited_stream()
    with connection.cursor() as cursor:
        for at in (1, 2, 3):
            periodic = f'{{"timestamp": {at}}}'
            values = [FAST_QUEUE, "reminders.tasks.find_due_lead_times", "find_due_lead_times", periodic]
            cursor.execute(INSERT_STALLED_JOB, values)
    # The job that must be taken over is the newest one.
    start(stream)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE procrastinate_jobs SET status = 'doing' WHERE task_name LIKE '%cut_rounds'")
    with running_workers():
        wait_until(lambda: is_notified(stream))
        wait_until(lambda: count_of("procrastinate_jobs WHERE args->>'timestamp' IN ('1', '2', '3')") == 0)


def test_an_idle_worker_sends_few_statements() -> None:
    with running_workers():
        before, began = transactions(), time.monotonic()
        time.sleep(5)  # measured
        each_second = (transactions() - before) / (time.monotonic() - began)
    # The tasks of each minute may fall into the five seconds.
    assert each_second < 60


def transactions() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_clear_snapshot()")
        cursor.execute("SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = current_database()")
        return int(cursor.fetchone()[0])
