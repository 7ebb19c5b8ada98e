"""Threads that start at the same time, each with its own database connection."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from django.db import connection, connections

from tests.patience import PATIENCE

# Who waits for a row waits for the end of a transaction, which `pg_locks` lists without a database.
_WAITING = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


def at_once[Result](count: int, call: Callable[[int], Result]) -> list[Result]:
    """The results of `call(0)` … `call(count - 1)`, which all start together."""
    start = Barrier(count)

    def run(number: int) -> Result:
        try:
            start.wait(timeout=PATIENCE)
            return call(number)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


def until_another_waits() -> None:
    """Return once another connection waits for a lock, or after ten seconds."""
    with connection.cursor() as cursor:
        for _ in range(500):
            cursor.execute("SELECT pg_stat_clear_snapshot()")
            cursor.execute(_WAITING)
            if cursor.rowcount:
                return
            cursor.execute("SELECT pg_sleep(0.02)")
