"""`make bench-fanout`: how long it takes to notify a million people that a stream has started."""

import argparse
import http.client
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from time import perf_counter
from typing import Any, LiteralString

import psycopg

from benchmarks import report
from benchmarks.load import Asked
from benchmarks.loading import world
from benchmarks.peers import job_each
from benchmarks.report import say
from benchmarks.stacks import KUMANDA, Running, running, stopped
from benchmarks.world import ROOT, Stream, World, empty_audit_trail

WORKERS = 2
REMINDERS = 1_000_000
JOBS = 10_000
PATIENCE = 600  # seconds
PACKAGES = ("Django", "psycopg", "procrastinate")

INTRODUCTION = """# Notifying a million people that a stream has started

Written by `make bench-fanout`. The creator starts a stream over HTTP, and two workers (`manage.py worker`) write
one notification for each reminder, exactly once, in chunks that survive a killed worker."""
EXPLANATION = """\
- Kumanda: from the call that starts the stream to the commit of the last chunk. The round is opened in the stream's
  transaction and cut into chunks by a job; each chunk is one transaction that locks the chunk, checks the stream and
  the bans, inserts the notifications, closes the chunk and writes an audit row.
- One `INSERT … SELECT`: the same rows from the same reminders into a table like a partition of the ledger
  (its checks, its primary key, the unique key of stream, person, kind and planned start, the index of the inbox),
  empty before, in one statement and one transaction. It checks nothing and cannot be shared by two workers.
- One job each: a Procrastinate job for each reminder, all inserted in one statement, whose task inserts one
  notification into such a table; two workers with {jobs_at_once} jobs at once. Measured with {jobs:,} reminders and
  scaled.
- The three alternate, each after a checkpoint and with an empty ledger; medians of {rounds} rounds after one that
  is not counted. Reminders are stored in random order of user id, as when people set them one after the other."""

# The ids contain different times, as the ids of users who registered one after the other.
CROWD = """
    INSERT INTO accounts_user (
        id, password, username, username_key, name, surname, email, availability_status, is_superuser, is_staff,
        is_active, created_at, updated_at, identity_issuer, identity_subject
    )
    SELECT int4send(1700000000 + number) || '\\x0000000006'::bytea || substr(int4send(number), 2),
        '!', 'viewer' || number, 'viewer' || number, 'John', 'Smith', '', 'offline', false, false, true,
        now(), now(), '', ''
    FROM generate_series(1, %s) AS number
"""
WAITING = """
    INSERT INTO reminders_reminder (id, stream_id, user_id, minute, language, created_at, updated_at)
    SELECT int4send(1700000000) || '\\x0000000007'::bytea || substr(int4send(row_number() OVER ()::int), 2),
        %s, viewer.id, NULL, 'en', now(), now()
    FROM (SELECT id FROM accounts_user WHERE username LIKE 'viewer%%' ORDER BY md5(id)) AS viewer
"""
AT_ONCE = """
    INSERT INTO at_once (id, user_id, stream_id, kind, minute, planned_start_at, created_at)
    SELECT '\\x650000000000000008'::bytea || substr(int4send(row_number() OVER ()::int), 2),
        user_id, stream_id, 'live', NULL, %s, now()
    FROM reminders_reminder WHERE stream_id = %s
"""
JOB_EACH = """
    INSERT INTO procrastinate_jobs (queue_name, task_name, args)
    SELECT %s, 'notify', jsonb_build_object(
        'id', encode(id, 'hex'), 'user', encode(user_id, 'hex'), 'stream', encode(stream_id, 'hex')
    )
    FROM reminders_reminder WHERE stream_id = %s LIMIT %s
"""


class Incomplete(Exception):
    """Somebody was not notified, or notified twice, so the measurement is void."""


@dataclass(frozen=True, slots=True)
class Figures:
    """Seconds; `growth` of the reminders' table in bytes."""

    kumanda: float
    at_once: float
    job_each: float
    growth: int


@dataclass(frozen=True)
class Stage:
    world: World
    server: Running
    connection: psycopg.Connection[Any]
    stream: Stream
    reminders: int
    jobs: int

    @property
    def stream_id(self) -> bytes:
        return bytes.fromhex(self.stream.id)

    def value(self, statement: LiteralString, *values: Any) -> Any:
        row = self.connection.execute(statement, values).fetchone()
        return row and row[0]

    def until(self, statement: LiteralString, *values: Any) -> None:
        """Wait until the statement returns true. Raises TimeoutError."""
        deadline = perf_counter() + PATIENCE
        while not self.value(statement, *values):
            if perf_counter() > deadline:
                raise TimeoutError(f"still not true: {statement}")
            time.sleep(0.01)


# --- measuring ------------------------------------------------------------------------------------


def measured(stage: Stage) -> Figures:
    """One round of each of the three ways."""
    before = _size_of_reminders(stage)
    kumanda = _timed(stage, _notified_by_kumanda)
    _check_everybody_was_notified(stage)
    growth = _size_of_reminders(stage) - before
    figures = Figures(kumanda, _timed(stage, _notified_by_one_insert), _timed(stage, _notified_by_one_job_each), growth)
    say(f"Kumanda {kumanda:.2f} s, at once {figures.at_once:.2f} s, {stage.jobs:,} jobs {figures.job_each:.2f} s")
    return figures


def _timed(stage: Stage, notify_all: Callable[[Stage], None]) -> float:
    _reset(stage)
    began = perf_counter()
    notify_all(stage)
    return perf_counter() - began


def _notified_by_kumanda(stage: Stage) -> None:
    status, body = stage.server.ask(
        Asked("POST", f"/api/v1/live-stream/{stage.stream.id}/start", stage.stream.creator.token)
    )
    if status != http.client.OK:
        raise Incomplete(f"the stream did not start: {status} {body.decode()}")
    stage.until(
        "SELECT count(*) FILTER (WHERE state <> 'open') > 0 AND NOT EXISTS"
        " (SELECT FROM reminders_chunk WHERE state = 'waiting') FROM reminders_round"
    )


def _notified_by_one_insert(stage: Stage) -> None:
    planned = "SELECT planned_start_at FROM livestreams_livestream WHERE id = %s"
    stage.connection.execute(AT_ONCE, [stage.value(planned, stage.stream_id), stage.stream_id])


def _notified_by_one_job_each(stage: Stage) -> None:
    stage.connection.execute(JOB_EACH, [job_each.QUEUE, stage.stream_id, stage.jobs])
    stage.until("SELECT NOT EXISTS (SELECT FROM procrastinate_jobs WHERE queue_name = %s)", job_each.QUEUE)


def _size_of_reminders(stage: Stage) -> int:
    size: int = stage.value("SELECT pg_total_relation_size('reminders_reminder')")
    return size


def _check_everybody_was_notified(stage: Stage) -> None:
    """Everybody was notified once. Raises Incomplete."""
    notified = stage.value(
        "SELECT count(DISTINCT user_id) FROM reminders_notification WHERE stream_id = %s", stage.stream_id
    )
    rows = stage.value("SELECT count(*) FROM reminders_notification")
    counted = stage.value("SELECT sum(notified) FROM reminders_chunk")
    if {notified, rows, counted} != {stage.reminders}:
        raise Incomplete(f"{stage.reminders:,} reminders, {rows:,} rows for {notified:,} people, {counted:,} in chunks")


def _reset(stage: Stage) -> None:
    """Restore the state before the start: an empty ledger and a scheduled stream, written to disk."""
    stage.until("SELECT NOT EXISTS (SELECT FROM procrastinate_jobs WHERE task_name ~ 'chunk|^notify$')")
    ask = stage.connection.execute
    ask("SET session_replication_role = replica")
    ask("TRUNCATE at_once, one_each, reminders_notification, reminders_delivery, reminders_chunk, reminders_round")
    empty_audit_trail(stage.connection)
    ask(
        "UPDATE livestreams_livestream SET status = 'scheduled', started_at = NULL, updated_at = created_at"
        " WHERE id = %s",
        [stage.stream_id],
    )
    ask("SET session_replication_role = DEFAULT")
    ask("VACUUM (ANALYZE) procrastinate_jobs, procrastinate_events, livestreams_livestream")
    ask("CHECKPOINT")


# --- the stage ------------------------------------------------------------------------------------


@contextmanager
def stage(*, reminders: int, jobs: int) -> Iterator[Stage]:
    """A server, workers of both kinds and a scheduled stream with reminders. Everything is removed afterwards."""
    with ExitStack() as everything:
        loaded = everything.enter_context(world(users=100, streams=100, bans=100))
        live = {stream.creator.id for stream in loaded.having("active")}
        stream = next(stream for stream in loaded.having("scheduled") if stream.creator.id not in live)
        connection = everything.enter_context(loaded.connect())
        connection.execute(CROWD, [reminders])
        connection.execute(WAITING, [bytes.fromhex(stream.id)])
        for name in ("at_once", "one_each"):
            # Constant names.
            connection.execute(f"CREATE TABLE {name} (LIKE reminders_notification_earlier INCLUDING ALL)")
        connection.execute("VACUUM (ANALYZE)")
        (server,) = everything.enter_context(running([KUMANDA], loaded))
        for _ in range(WORKERS):
            everything.enter_context(_worker(loaded, ["manage.py", "worker"]))
            everything.enter_context(_worker(loaded, job_each.WORKER))
        ready = Stage(loaded, server, connection, stream, reminders, jobs)
        # One of Kumanda's workers counts as two: it runs a Procrastinate worker for each of its two queues.
        ready.until("SELECT count(*) = %s FROM procrastinate_workers", WORKERS * 3)
        yield ready


@contextmanager
def _worker(world: World, command: Sequence[str]) -> Iterator[None]:
    process = subprocess.Popen(
        [sys.executable, *command],
        cwd=ROOT,
        env=world.environment | {"DJANGO_SETTINGS_MODULE": KUMANDA.settings},
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield
    finally:
        stopped(process)


# --- the report -----------------------------------------------------------------------------------


def report_of(found: Sequence[Figures], stage: Stage, machine: str) -> str:
    def median(of: Callable[[Figures], float]) -> float:
        return statistics.median(map(of, found))

    def line(title: str, rows: int, of: Callable[[Figures], float]) -> list[str]:
        seconds = sorted(map(of, found))
        middle = statistics.median(seconds)
        scaled = middle * stage.reminders / rows
        return [title, f"{scaled:,.2f}", f"{seconds[0]:,.2f} to {seconds[-1]:,.2f}", f"{rows / middle:,.0f}"]

    scale = stage.reminders / stage.jobs
    ratios = [
        ["time over one `INSERT … SELECT`", f"{median(lambda one: one.kumanda / one.at_once):.2f}"],
        ["times faster than one job each", f"{median(lambda one: scale * one.job_each / one.kumanda):,.0f}"],
        ["growth of the reminders' table, bytes", f"{max(one.growth for one in found):,}"],
    ]
    figures = [
        line("Kumanda", stage.reminders, lambda one: one.kumanda),
        line("one `INSERT … SELECT`", stage.reminders, lambda one: one.at_once),
        line(f"one job each, {stage.jobs:,} of them", stage.jobs, lambda one: one.job_each),
    ]
    explanation = EXPLANATION.format(jobs=stage.jobs, jobs_at_once=job_each.JOBS_AT_ONCE, rounds=len(found))
    return "\n\n".join(
        [
            INTRODUCTION,
            report.table([f"{stage.reminders:,} reminders", "Kumanda"], ratios),
            report.table(["", "seconds for all", "lowest to highest, as measured", "rows/s"], figures),
            "## How",
            f"{explanation}\n{machine}",
        ]
    )


# --- the command ----------------------------------------------------------------------------------


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fanout", description=__doc__)
    parser.add_argument("--reminders", type=int, default=REMINDERS, help=f"on the stream ({REMINDERS})")
    parser.add_argument("--jobs", type=int, default=JOBS, help=f"of the peer with one job each ({JOBS})")
    parser.add_argument("--rounds", type=int, default=3, help="that are counted, after one that is not (3)")
    return parser.parse_args()


def main() -> int:
    options = _options()
    report.interrupt_on_sigterm()
    load_before = report.load_before()
    try:
        say(f"Loading {options.reminders:,} people and their reminders")
        with stage(reminders=options.reminders, jobs=options.jobs) as ready:
            found = []
            for number in range(options.rounds + 1):
                say(f"Round {number} of {options.rounds}" if number else "Warming up")
                found.append(measured(ready))
            machine = report.machine_of(ready.world, packages=PACKAGES, load_before=load_before)
            text = report_of(found[1:], ready, machine)
    except KeyboardInterrupt:
        say("Stopped")
        return 130
    except (Incomplete, TimeoutError) as failure:
        say(str(failure))
        return 1
    print(text)
    if options.reminders == REMINDERS:
        report.write(text, "fanout.md")
    return 0


if __name__ == "__main__":
    sys.exit(main())
