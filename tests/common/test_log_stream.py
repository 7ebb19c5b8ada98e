"""A log that takes no lines does not stop the service: lines are dropped, and counted later."""

import fcntl
import io
import json
import logging
import os
import socket
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest
from django.conf import settings

from common.log_stream import PATIENCE, LogStreamHandler

pytestmark = pytest.mark.timeout(30)


class Stream:
    """A stream with a file descriptor of its own."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    def fileno(self) -> int:
        return self.descriptor

    def flush(self) -> None:
        pass


class Log:
    def __init__(self, stream: object) -> None:
        self.handler = LogStreamHandler(stream)

    def error(self, text: str, *values: object) -> None:
        self.handler.handle(logging.LogRecord("a test", logging.ERROR, __file__, 1, text, values, None))


def log_to(descriptor: int) -> Log:
    return Log(Stream(descriptor))


@pytest.fixture(params=["pipe", "socket"])
def ends(request: pytest.FixtureRequest) -> Iterator[tuple[int, int]]:
    """The reading and the writing end of a small pipe, or of a socket."""
    if request.param == "pipe":
        reading, writing = os.pipe()
        fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
    else:
        one, other = socket.socketpair()
        other.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        reading, writing = one.detach(), other.detach()
    yield reading, writing
    for descriptor in (reading, writing):
        with suppress(OSError):
            os.close(descriptor)


def read(descriptor: int) -> list[str]:
    """All lines that can be read at once."""
    os.set_blocking(descriptor, False)
    parts: list[bytes] = []
    with suppress(BlockingIOError):
        while part := os.read(descriptor, 65_536):
            parts.append(part)
    return b"".join(parts).decode().splitlines()


def test_lines_are_written_at_once_and_whole(ends: tuple[int, int]) -> None:
    reading, writing = ends
    log_to(writing).error("ürün %d", 7)
    assert read(reading) == ["ürün 7"]


def test_an_unread_log_costs_one_wait_and_loses_lines(ends: tuple[int, int]) -> None:
    log = log_to(ends[1])
    began = time.monotonic()
    for number in range(2000):
        log.error("line %d %s", number, "x" * 100)
    assert time.monotonic() - began < PATIENCE + 5
    written = read(ends[0])
    assert 0 < len(written) < 2000
    assert written[0].startswith("line 0 ")


def test_lost_lines_are_counted_when_the_log_is_read_again(ends: tuple[int, int]) -> None:
    reading, writing = ends
    log = log_to(writing)
    for number in range(500):
        log.error("line %d %s", number, "x" * 100)
    before = len([line for line in read(reading) if line.endswith("x")])
    log.error("again")
    log.error("and again")

    notice, *rest = read(reading)
    dropped = int(json.loads(notice)["event"].split()[0])
    assert before <= 500 - dropped <= before + 1, "a line may have been written in part"
    assert rest == ["again", "and again"]


def test_other_users_of_the_pipe_still_block() -> None:
    reading, writing = os.pipe()
    log_to(writing).error("x")
    assert os.get_blocking(writing)
    os.close(reading)
    os.close(writing)


def test_a_full_disk_loses_lines_only() -> None:
    descriptor = os.open("/dev/full", os.O_WRONLY)
    log = log_to(descriptor)
    log.error("nobody reads this")
    os.close(descriptor)


def test_a_reader_that_is_gone_loses_lines_only(ends: tuple[int, int]) -> None:
    os.close(ends[0])
    log_to(ends[1]).error("nobody reads this")


def test_a_stream_in_memory_works_too() -> None:
    stream = io.StringIO()
    Log(stream).error("in memory")
    assert stream.getvalue() == "in memory\n"


def test_the_service_logs_with_this_handler() -> None:
    assert settings.LOGGING["handlers"]["console"]["class"] == "common.log_stream.LogStreamHandler"
