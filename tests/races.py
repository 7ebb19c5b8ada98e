"""Threads that start at the same time, each with its own database connection."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from django.db import connections

from tests.backends import backends
from tests.patience import PATIENCE, wait_until


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
    """Return once another connection waits for a lock."""
    wait_until(lambda: backends("wait_event_type = 'Lock'") > 0)
