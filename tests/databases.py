"""The databases of the processes of a test run. Only the first process migrates; the others copy its database."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper
from django.test.utils import setup_databases, teardown_databases
from pytest_django import DjangoDbBlocker

from benchmarks.growth.rows import Size, fill_in_bulk
from tests.servers import direct_place


@contextmanager
def database(
    blocker: DjangoDbBlocker, *, verbosity: int, keep: bool, recreate: bool, shared: Path | None
) -> Iterator[None]:
    """A migrated test database. `shared` is a folder of all processes of this run; None if there is only one.

    `keep` and `recreate` are the options --reuse-db and --create-db. Inside, access is blocked as before.
    """
    made_template = ""
    with blocker.unblock(), _locked(shared) as lock:
        template = _migrated_template(lock) if lock and not keep else None
        connection.settings_dict["TEST"]["TEMPLATE"] = template
        old = setup_databases(
            verbosity=verbosity,
            interactive=False,
            aliases={"default": connection},
            serialized_aliases=set(),
            keepdb=keep and not recreate,
        )
        if lock and not keep and not template:
            made_template = _copied()
            lock.write_text(made_template, encoding="utf-8")
    yield
    if keep:
        return
    with blocker.unblock():
        connection.close()
        with connection._nodb_cursor() as cursor:
            _end_sessions(cursor, connection.settings_dict["NAME"])
        teardown_databases(old, verbosity=verbosity)
        if made_template:
            with _locked(shared), connection._nodb_cursor() as cursor:
                cursor.execute(f'DROP DATABASE "{made_template}"')


def _migrated_template(lock: Path) -> str | None:
    """The name of a migrated database that can be copied, or None if this process must migrate one itself.

    The caller has locked the file `lock`. Its content is the name, once a process has made such a database.
    """
    name = lock.read_text(encoding="utf-8")
    if not name:
        return None
    with connection._nodb_cursor() as cursor:
        # The process that made it removes it at its end, which may be before another one begins.
        cursor.execute("SELECT FROM pg_database WHERE datname = %s", [name])
        return name if cursor.fetchone() is not None else None


def _copied(suffix: str = "copy") -> str:
    """Copy the test database for other processes, because PostgreSQL copies only databases that nobody uses.

    Returns the name of the copy.
    """
    name: str = connection.settings_dict["NAME"]
    copy = f"{name}_{suffix}"
    connection.close()
    with connection._nodb_cursor() as cursor:
        cursor.execute(f'DROP DATABASE IF EXISTS "{copy}"')
        _end_sessions(cursor, name)
        cursor.execute(f'CREATE DATABASE "{copy}" TEMPLATE "{name}"')
    return copy


def _end_sessions(cursor: CursorWrapper, name: str) -> None:
    """Of processes that a test has killed: their statements go on, and with them the sessions."""
    cursor.execute("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s", [name])


@contextmanager
def own_database() -> Iterator[dict[str, Any]]:
    """A copy of the test database with what is committed, for a test that migrates it. Yields its parameters."""
    name = _copied("own")
    try:
        yield direct_place() | {"dbname": name}
    finally:
        with connection._nodb_cursor() as cursor:
            cursor.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def remove_dead_rows(blocker: DjangoDbBlocker) -> None:
    """Rows of earlier tests that were rolled back keep tables large, and PostgreSQL plans by their size."""
    with blocker.unblock(), connection.cursor() as cursor:
        cursor.execute("VACUUM")


@contextmanager
def rolled_back(blocker: DjangoDbBlocker) -> Iterator[None]:
    """A transaction for rows that all tests of a module share. Each test has a savepoint in it."""
    with blocker.unblock(), transaction.atomic():
        yield
        transaction.set_rollback(True)


@contextmanager
def never_committed(blocker: DjangoDbBlocker) -> Iterator[CursorWrapper]:
    """The same for many rows."""
    remove_dead_rows(blocker)
    with rolled_back(blocker), connection.cursor() as cursor:
        yield cursor


@contextmanager
def many_rows(blocker: DjangoDbBlocker, *sizes: Size) -> Iterator[CursorWrapper]:
    """The same, with rows of all models. PostgreSQL plans as if their tables had been vacuumed."""
    with never_committed(blocker) as cursor:
        fill_in_bulk(cursor, *sizes)
        # No transaction can vacuum.
        cursor.execute("UPDATE pg_class SET relallvisible = relpages WHERE relkind = 'r' AND relpages > 0")
        yield cursor


def locks_on(table: str) -> str:
    """A query for the modes of all locks on a table. The OID of a table is the same in databases that were copied."""
    return (
        "SELECT mode FROM pg_locks JOIN pg_database ON pg_database.oid = database"
        f" WHERE datname = current_database() AND relation = to_regclass('{table}')"
    )


def updates_of(table: str) -> tuple[int, int]:
    """How many rows this session has updated, and how many of these updates wrote no index (HOT).

    What it has not reported of earlier transactions counts too, so a test compares two of these.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_xact_user_tables WHERE relname = %s", [table])
        updates, hot = cursor.fetchone()
        return updates, hot


@contextmanager
def _locked(folder: Path | None) -> Iterator[Path | None]:
    """A file in `folder`, locked exclusively; None without a folder."""
    if folder is None:
        yield None
        return
    path = folder / "database.lock"
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield path
