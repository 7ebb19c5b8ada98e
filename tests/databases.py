"""The databases of the processes of a test run. Only the first process migrates; the others copy its database."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.db import connection
from django.test.utils import setup_databases, teardown_databases


def migrated_template(lock: Path) -> str | None:
    """The name of a migrated database that can be copied, or None if this process is to make the first one.

    `lock` is locked exclusively by the caller. Its content is the name, once there is such a database.
    """
    name = lock.read_text(encoding="utf-8")
    if not name:
        return None
    with connection._nodb_cursor() as cursor:
        cursor.execute("SELECT FROM pg_database WHERE datname = %s", [name])
        return name if cursor.fetchone() is not None else None


@contextmanager
def database(*, verbosity: int, keep: bool, recreate: bool, shared: Path | None) -> Iterator[None]:
    """A migrated test database. `shared` is a folder of all processes of this run; None if there is only one."""
    made_template = ""
    with _locked(shared) as lock:
        template = migrated_template(lock) if lock and not keep else None
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
    teardown_databases(old, verbosity=verbosity)
    if made_template:
        with _locked(shared), connection._nodb_cursor() as cursor:
            cursor.execute(f'DROP DATABASE "{made_template}"')


def _copied() -> str:
    """Copy the test database. Returns the name of the copy."""
    name: str = connection.settings_dict["NAME"]
    connection.close()  # PostgreSQL copies only databases that nobody uses
    with connection._nodb_cursor() as cursor:
        cursor.execute(f'DROP DATABASE IF EXISTS "{name}_copy"')
        cursor.execute(f'CREATE DATABASE "{name}_copy" TEMPLATE "{name}"')
    return f"{name}_copy"


@contextmanager
def _locked(folder: Path | None) -> Iterator[Path | None]:
    if folder is None:
        yield None
        return
    path = folder / "database.lock"
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield path
