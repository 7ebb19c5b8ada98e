"""manage.py migrate: one at a time, and with short waits for locks, because servers run meanwhile."""

import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from common.direct import direct_connection
from common.management.commands import migrate
from common.management.commands.migrate import MIGRATING, Command
from tests.commands.backups import as_role_without_rights, empty_database
from tests.commands.conftest import Run, Start
from tests.databases import locks_on
from tests.patience import PATIENCE, wait_until

pytestmark = pytest.mark.django_db(transaction=True)

TABLE = "django_session"


@pytest.fixture(autouse=True)
def _complete() -> Iterator[None]:
    yield
    call_command("migrate", "sessions", verbosity=0)


@contextmanager
def read_table() -> Iterator[None]:
    """Another session has read the table and its transaction is still open, as that of a backup."""
    with closing(direct_connection(TIME_LIMITS={})) as other, other.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute(f"SELECT count(*) FROM {TABLE}")
        yield
        cursor.execute("ROLLBACK")


def has_table() -> bool:
    return TABLE in connection.introspection.table_names()


def test_nobody_waits_long_behind_a_migration_that_waits_for_a_lock(start: Start) -> None:
    with read_table():
        process = start("migrate", "sessions", "zero")
        assert process.stderr is not None
        longest = 0.0
        until = time.monotonic() + PATIENCE
        with closing(direct_connection()) as reader, reader.cursor() as cursor:
            waiting = (
                "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database()"
                " AND application_name ~ 'migrate$' AND state = 'active' AND wait_event_type = 'Lock')"
            )
            seen = 0
            while seen < 3:  # attempts
                assert time.monotonic() < until
                cursor.execute(waiting)
                if cursor.fetchone()[0]:
                    seen += 1
                    began = time.monotonic()
                    cursor.execute(f"SELECT count(*) FROM {TABLE}")
                    longest = max(longest, time.monotonic() - began)
                time.sleep(0.01)
        assert longest < 1
        assert process.poll() is None
    _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, errors
    assert "A lock was not free within 0.5 seconds; trying again. The oldest transaction is that of process" in errors
    assert not has_table()


def test_it_gives_up_with_the_transaction_that_it_waited_for(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migrate, "ATTEMPTS", 2)
    monkeypatch.setattr(migrate, "PAUSE", 0.01)
    with (
        read_table(),
        pytest.raises(CommandError, match=r"in 2 attempts\. The oldest transaction is that of process \d+"),
    ):
        call_command("migrate", "sessions", "zero", verbosity=0, stderr=StringIO())
    assert has_table()
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('lock_timeout')")
        assert cursor.fetchone()[0] == "0"


def test_a_statement_outside_of_a_transaction_is_repeated_alone_and_one_without_a_lock_may_wait(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(migrate, "PAUSE", 0.01)
    command = Command(stderr=StringIO())
    released = threading.Event()

    def hold() -> None:
        with read_table():
            released.wait(1.5)

    holder = threading.Thread(target=hold)
    holder.start()
    wait_until(_is_read)
    try:
        with command._short_waits(connection), connection.cursor() as cursor:
            cursor.execute(f"CREATE INDEX CONCURRENTLY of_a_test ON {TABLE} (expire_date)")
            cursor.execute(f"ALTER TABLE {TABLE} ADD COLUMN of_a_test int")
    finally:
        released.set()
        holder.join()
        with connection.cursor() as cursor:
            cursor.execute("DROP INDEX of_a_test")
            cursor.execute(f"ALTER TABLE {TABLE} DROP COLUMN IF EXISTS of_a_test")


def _is_read() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT EXISTS ({locks_on(TABLE)})")
        return bool(cursor.fetchone()[0])


def test_two_at_once_run_one_after_the_other(start: Start) -> None:
    with closing(direct_connection()) as other, MIGRATING.tried_by_session(using=other) as is_taken:
        assert is_taken
        both = [start("migrate", "sessions", "zero") for _ in range(2)]
        announced = [process.stderr.readline() for process in both if process.stderr]
        assert announced == ["Another migrate is running; this one waits for its end.\n"] * 2
        time.sleep(1)
        assert [process.poll() for process in both] == [None, None]
        assert has_table()
    ended = [process.communicate(timeout=PATIENCE) for process in both]
    assert [process.returncode for process in both] == [0, 0], ended
    assert [errors for _, errors in ended] == ["", ""]
    assert sorted("Unapplying sessions.0001_initial" in output for output, _ in ended) == [False, True]
    assert not has_table()


def test_a_plan_waits_for_nobody(run: Run) -> None:
    with closing(direct_connection()) as other, MIGRATING.tried_by_session(using=other):
        assert run("migrate", "--plan").returncode == 0
        assert run("migrate", "--check").returncode == 0


def test_a_role_that_may_not_change_the_tables_gets_an_error_that_names_their_owner(run: Run) -> None:
    with empty_database() as url:
        denied = as_role_without_rights(url)
        finished = run("migrate", DATABASE_URL=denied, DATABASE_DIRECT_URL=denied)
    assert finished.returncode == 1
    assert "This role may not change the tables: let DATABASE_URL name their owner." in finished.stderr
    assert "Traceback" not in finished.stderr
