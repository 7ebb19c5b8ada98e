"""Django's migrate for a service that runs meanwhile: one at a time, and with short waits for locks."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError
from django.core.management.commands import migrate
from django.db import OperationalError, ProgrammingError, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.exceptions import MigrationSchemaMissing
from psycopg.errors import LockNotAvailable

from common.error_texts import first_line
from common.locks import AdvisoryLock
from common.postgres.faults import is_denied

MIGRATING = AdvisoryLock("migrate")
SECONDS_FOR_OTHERS = 3600
SECONDS_BETWEEN_LOOKS = 0.5
# Others can use the table in each pause.
ATTEMPTS = 120
PAUSE = 1.0


class Command(migrate.Command):
    help = (
        "Bring the tables to the state that this version needs. Servers and workers may run meanwhile:\n"
        "it gives up the wait for a lock after DATABASE_MIGRATE_LOCK_SECONDS, so that they do not queue\n"
        "behind it, and tries again. A second migrate waits for the first one."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["plan"] or options["check_unapplied"]:
            super().handle(*args, **options)
            return
        connection = connections[options["database"]]
        try:
            with self._alone(connection), self._short_waits(connection):
                self._patiently(connection, lambda: super(Command, self).handle(*args, **options))
        except (MigrationSchemaMissing, ProgrammingError) as error:
            # Django raises the first one while it handles the other.
            denied = error if isinstance(error, ProgrammingError) else error.__context__
            if denied is None or not is_denied(denied):
                raise
            raise CommandError(
                f"This role may not change the tables: let DATABASE_URL name their owner. ({first_line(error)})"
            ) from error

    @contextmanager
    def _alone(self, connection: BaseDatabaseWrapper) -> Iterator[None]:
        """Hold the lock of all migrates. Raises CommandError when another one holds it for too long.

        It never waits inside a statement: CREATE INDEX CONCURRENTLY of the other one would wait for that statement.
        """
        # A connection of its own, because a migration may close the other one.
        own = connection.copy()
        until = time.monotonic() + SECONDS_FOR_OTHERS
        is_announced = False
        try:
            while True:
                with MIGRATING.tried_by_session(using=own) as is_taken:
                    if is_taken:
                        yield
                        return
                if not is_announced:
                    is_announced = True
                    self.stderr.write("Another migrate is running; this one waits for its end.")
                if time.monotonic() > until:
                    raise CommandError(f"Another migrate has been running for {SECONDS_FOR_OTHERS} seconds.")
                time.sleep(SECONDS_BETWEEN_LOOKS)
        finally:
            own.close()

    @contextmanager
    def _short_waits(self, connection: BaseDatabaseWrapper) -> Iterator[None]:
        """Limit waits for locks, except those of statements that nobody waits for.

        Outside of a transaction, as in migrations that are not atomic, a statement alone is repeated.
        """

        def run(execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: Any) -> Any:
            if connection.in_atomic_block:
                return execute(sql, params, many, context)
            if " CONCURRENTLY " in str(sql).upper():
                with _lock_timeout(connection, 0):
                    return execute(sql, params, many, context)
            return self._patiently(connection, lambda: execute(sql, params, many, context))

        connection.ensure_connection()
        with _lock_timeout(connection, settings.MIGRATE_LOCK_SECONDS), connection.execute_wrapper(run):
            yield

    def _patiently(self, connection: BaseDatabaseWrapper, call: Callable[[], Any]) -> Any:
        """Call it again while it fails to get a lock; what is applied stays applied. Raises CommandError at last."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return call()
            except OperationalError as error:
                # Inside, a statement of a transaction that is repeated as a whole.
                if not isinstance(error.__cause__, LockNotAvailable) or connection.in_atomic_block:
                    raise
                waited = f"A lock was not free within {settings.MIGRATE_LOCK_SECONDS:g} seconds"
                if attempt == ATTEMPTS:
                    raise CommandError(
                        f"{waited}, in {ATTEMPTS} attempts. {_oldest_transaction(connection)} "
                        "End it, and run migrate again: what was applied stays applied."
                    ) from error
                if attempt == 1 or attempt % 10 == 0:
                    self.stderr.write(f"\n{waited}; trying again. {_oldest_transaction(connection)}")
                time.sleep(PAUSE)
        raise AssertionError("unreachable")


@contextmanager
def _lock_timeout(connection: BaseDatabaseWrapper, seconds: float) -> Iterator[None]:
    """Set it for the session, and the former value at the end, if the connection is still the same."""
    session = connection.connection
    (before,) = session.execute("SELECT current_setting('lock_timeout')").fetchone()
    session.execute("SELECT set_config('lock_timeout', %s, false)", [str(round(seconds * 1000))])
    try:
        yield
    finally:
        if connection.connection is session and not session.closed:
            session.execute("SELECT set_config('lock_timeout', %s, false)", [before])


def _oldest_transaction(connection: BaseDatabaseWrapper) -> str:
    found = connection.connection.execute(
        """
        SELECT pid, application_name, state, extract(epoch FROM clock_timestamp() - xact_start)::int
        FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid() AND xact_start IS NOT NULL
        ORDER BY xact_start LIMIT 1
        """
    ).fetchone()
    if found is None:
        return "No transaction is open now."
    pid, name, state, seconds = found
    return f"The oldest transaction is that of process {pid} ({name or 'unnamed'}, {state}), {seconds} seconds old."
