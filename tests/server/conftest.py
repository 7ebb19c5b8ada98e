"""The server that the tests of a module share, and monitoring of the health page."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from tests.servers import Server, running_server


@pytest.fixture(scope="module")
def server(database_of_tests: str) -> Iterator[Server]:
    with running_server(workers=1, database=database_of_tests) as running:
        yield running


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
