"""Helpers of the server tests: monitoring of the health page."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from tests.servers import Server


@contextmanager
def watched_health(server: Server) -> Iterator[list[float]]:
    """Asks /healthz every 50 ms while the block runs. Yields how long each answer took in seconds."""
    durations: list[float] = []
    ended = threading.Event()

    def ask() -> None:
        while not ended.wait(0.05):
            started = time.monotonic()
            assert server.call("GET", "/healthz").status == 200
            durations.append(time.monotonic() - started)

    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(ask)
        try:
            yield durations
        finally:
            ended.set()
        asking.result()
    assert durations


def usual(durations: list[float]) -> float:
    """The 90th percentile, because other tests run on the same cores. `make attack` checks the 99th."""
    return sorted(durations)[int(len(durations) * 0.9)]
