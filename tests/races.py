"""Real threads that begin at the same moment, each with a database connection of its own."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from django.db import connections


def at_once[Result](count: int, act: Callable[[int], Result]) -> list[Result]:
    """What `act(0)` … `act(count - 1)` return when all start together."""
    start = Barrier(count)

    def run(number: int) -> Result:
        try:
            start.wait(timeout=30)
            return act(number)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))
