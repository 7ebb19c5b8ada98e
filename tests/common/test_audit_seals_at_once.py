"""Sealing concurrently with late commits and with other sealing processes, and when its process is killed."""

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from threading import Event, Thread

import pytest
from django.conf import settings
from django.db import connection, transaction

from accounts.models import User
from common import audit, audit_archive, seals
from common.canonical import Row
from common.models import AuditEntry, AuditSeal
from tests.common.sealing import sealed
from tests.databases import locks_on
from tests.patience import wait_until
from tests.races import at_once
from tests.servers import with_database_url

pytestmark = pytest.mark.django_db(transaction=True)


def write(person: User, now: datetime) -> None:
    audit.record("greet", person, by=person, now=now, before={}, after={})


@contextmanager
def open_writer(person: User, now: datetime) -> Iterator[Event]:
    """Another transaction that has written a row and commits when the event is set."""
    written, commit = Event(), Event()

    def hold() -> None:
        try:
            with transaction.atomic():
                write(person, now)
                written.set()
                assert commit.wait(30)
        finally:
            connection.close()

    holder = Thread(target=hold)
    holder.start()
    assert written.wait(30)
    try:
        yield commit
    finally:
        commit.set()
        holder.join(30)


def no_difference() -> bool:
    verified = seals.verify({}, lambda _: None, audit_archive.pages)
    assert verified.altered == verified.broken == []
    assert verified.rows + verified.unsealed_rows == AuditEntry.objects.count()
    return True


def test_sealing_waits_for_a_lower_id_that_is_committed_late(creator: User, now: datetime) -> None:
    with open_writer(creator, now) as commit:
        write(creator, now)  # a higher id, committed first
        assert AuditEntry.objects.count() == 1
        threading.Timer(1, commit.set).start()
        (seal,) = sealed(now=now)
    assert seal.rows == 2
    assert no_difference()


def test_sealing_gives_up_on_a_transaction_that_does_not_end(
    creator: User, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seals, "WRITERS_END_WITHIN", 0.5)
    with open_writer(creator, now):
        write(creator, now)
        with pytest.raises(seals.StillWriting):
            sealed(now=now)
        assert AuditSeal.objects.count() == 0
    assert sum(seal.rows for seal in sealed(now=now)) == 2
    assert no_difference()


def test_continuous_writers_neither_wait_for_sealing_nor_delay_it(creator: User, now: datetime) -> None:
    over, slowest, written = Event(), [0.0], [0]

    def write_on() -> None:
        try:
            while not over.is_set():
                began = time.monotonic()
                with transaction.atomic():
                    write(creator, now)
                    time.sleep(0.02)  # so that an uncommitted id exists most of the time
                slowest[0] = max(slowest[0], time.monotonic() - began)
                written[0] += 1
        finally:
            connection.close()

    writers = [Thread(target=write_on) for _ in range(4)]
    for writer in writers:
        writer.start()
    try:
        deadline = time.monotonic() + 20
        while AuditSeal.objects.count() < 10 and time.monotonic() < deadline:
            sealed(now=now)
    finally:
        over.set()
        for writer in writers:
            writer.join(30)
    assert AuditSeal.objects.count() >= 10
    sealed(now=now)
    assert sum(AuditSeal.objects.values_list("rows", flat=True)) == AuditEntry.objects.count() > 0
    assert no_difference()


def test_sealing_takes_no_lock_that_a_writer_waits_for(
    creator: User, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(creator, now)
    modes: set[str] = set()
    pages = seals.pages_of_table

    def looked_at(first: int, last: int) -> Iterator[list[Row]]:
        for page in pages(first, last):
            with other.cursor() as cursor:
                cursor.execute(locks_on("common_auditentry"))
                modes.update(row[0] for row in cursor.fetchall())
            yield page

    other = connection.copy()
    monkeypatch.setattr(seals, "pages_of_table", looked_at)
    try:
        with transaction.atomic():  # locks stay until its end
            assert len(sealed(now=now)) == 1
    finally:
        other.close()
    assert modes == {"AccessShareLock"}


def test_concurrent_sealing_makes_each_seal_once(creator: User, now: datetime) -> None:
    for _ in range(5):
        write(creator, now)

    made = at_once(8, lambda _: [seal.number for seal in sealed(now=now)])
    assert sorted(number for numbers in made for number in numbers) == [1]
    assert AuditSeal.objects.get().rows == 5
    assert no_difference()


# The second seal is slow, so that the process is killed during it.
SLOWED = """
    CREATE FUNCTION slow_down() RETURNS trigger LANGUAGE plpgsql AS
        'BEGIN PERFORM pg_sleep(60); RETURN NEW; END';
    CREATE TRIGGER slowed BEFORE INSERT ON common_auditseal FOR EACH ROW WHEN (NEW.number = 2)
        EXECUTE FUNCTION slow_down();
"""
NO_LONGER = "DROP FUNCTION slow_down CASCADE"
SLEEPING = "FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'"


def execute(statement: str) -> list[tuple[object, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall() if cursor.description else []


def test_a_process_that_is_killed_while_it_seals_leaves_complete_seals(creator: User, now: datetime) -> None:
    for hour in range(3):
        write(creator, now + timedelta(hours=hour - 3))
    execute(SLOWED)
    try:
        process = subprocess.Popen(
            [sys.executable, "manage.py", "seal_audit_trail"],
            cwd=settings.BASE_DIR,
            env=with_database_url(),
            stderr=subprocess.DEVNULL,
        )
        wait_until(lambda: bool(execute(f"SELECT pid {SLEEPING}")))
        process.kill()
        process.wait()
        execute(f"SELECT pg_terminate_backend(pid, 5000) {SLEEPING}")
    finally:
        execute(NO_LONGER)
    assert AuditSeal.objects.count() == 1
    assert [seal.number for seal in sealed(now=now)] == [2, 3]
    assert no_difference()
