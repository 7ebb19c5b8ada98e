"""A steady load on a server, of which every answer is counted, and nothing is tried twice."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from typing import NamedTuple

from accounts.models import User
from tests.conftest import token_of
from tests.streams import make_stream, stream_url

THREADS = 16
# As many connections to the database as calls at once, so that a busy machine of tests answers none with 503.
PLENTY = {"DATABASE_POOL_SIZE": "20"}


class Asked(NamedTuple):
    method: str
    path: str
    token: str
    body: bytes | None = None
    type: str = "application/json"


class Load:
    """Statuses of answers, and names of errors, each with their number."""

    def __init__(self) -> None:
        self.answers: Counter[int | str] = Counter()
        self.closed = 0  # answers with `Connection: close` on connections that the client wanted to keep
        self.slowest = 0.0  # seconds
        self._lock = threading.Lock()

    def count(self, answer: int | str, *, closed: bool, seconds: float) -> None:
        with self._lock:
            self.answers[answer] += 1
            self.closed += closed
            self.slowest = max(self.slowest, seconds)


def mixed_calls(creator: User, viewer: User) -> list[Asked]:
    """Reads and changes of two streams, which can be repeated and are answered with 200."""
    planned = make_stream(viewer)
    stream, mine, theirs = make_stream(creator, "active"), token_of(creator), token_of(viewer)
    joined = f'{{"liveStreamId": "{stream.pk}"}}'.encode()
    return [
        Asked("GET", stream_url(stream), mine),
        Asked("POST", "/api/v1/live-stream/join", theirs, joined),
        Asked("GET", "/api/v1/live-stream?limit=5", theirs),
        Asked("PATCH", stream_url(planned), theirs, b'{"durationGoal": 60}'),
    ]


@contextmanager
def load(connect: Callable[[], HTTPConnection], calls: Sequence[Asked], *, rate: float) -> Iterator[Load]:
    """Send `calls` one after the other, `rate` in a second, while the block runs.

    Half of the threads keep their connections, the others open one for each call. An error of a connection is counted
    like an answer: http.client sends nothing again.
    """
    made, ended = Load(), threading.Event()
    threads = [
        threading.Thread(target=_send, args=(made, ended, connect, calls, number, THREADS / rate))
        for number in range(THREADS)
    ]
    for thread in threads:
        thread.start()
    try:
        yield made
    finally:
        ended.set()
        for thread in threads:
            thread.join()


def _send(
    made: Load,
    ended: threading.Event,
    connect: Callable[[], HTTPConnection],
    calls: Sequence[Asked],
    number: int,
    interval: float,
) -> None:
    keeps = number % 2 == 0
    connected = connect()
    due = time.monotonic() + interval * number / THREADS
    while not ended.wait(max(0.0, due - time.monotonic())):
        due += interval
        asked = calls[number % len(calls)]
        number += THREADS + 1
        headers = {"Authorization": f"Bearer {asked.token}", "Content-Type": asked.type, "Host": "api.example.com"}
        if not keeps:
            headers["Connection"] = "close"
        began = time.monotonic()
        closed = False
        answer: int | str
        try:
            connected.request(asked.method, asked.path, asked.body, headers)
            response = connected.getresponse()
            closed = keeps and response.will_close
            response.read()
            answer = response.status
        except (OSError, HTTPException) as error:
            answer = f"{type(error).__name__}: {error}"
            connected.close()
        made.count(answer, closed=closed, seconds=time.monotonic() - began)
        if not keeps:
            connected.close()
    connected.close()
