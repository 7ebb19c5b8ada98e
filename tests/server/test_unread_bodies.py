"""Answers that do not need the body: it is read and dropped, or the connection is closed so that the answer arrives."""

import socket
from collections.abc import Iterator

import pytest

from common.server.bodies import DROPPED_BYTES
from tests.patience import PATIENCE
from tests.servers import Server

pytestmark = pytest.mark.slow

HEALTH = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n"
NOTHING = b"GET /media/nothing HTTP/1.1\r\nHost: localhost\r\n"
LOGIN = b"POST /api/v1/auth/login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
LONG = b"POST /%s HTTP/1.1\r\nHost: localhost\r\n" % (b"x" * 9_000)
READY = b"GET /readyz HTTP/1.1\r\nHost: localhost\r\n"
EARLY = {"health": (HEALTH, 200), "ready": (READY, 200), "file": (NOTHING, 404), "long": (LONG, 414)}
each_early = pytest.mark.parametrize("name", EARLY)


class Connection:
    def __init__(self, server: Server) -> None:
        self.socket = socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE)
        self._received = b""

    def head(self) -> bytes:
        """The head of the next answer. Its body is read and dropped."""
        while b"\r\n\r\n" not in self._received:
            self._more()
        head, _, self._received = self._received.partition(b"\r\n\r\n")
        lengths = [int(line.partition(b":")[2]) for line in head.split(b"\r\n") if line.startswith(b"content-length:")]
        while len(self._received) < sum(lengths):
            self._more()
        self._received = self._received[sum(lengths) :]
        return head

    def _more(self) -> None:
        piece = self.socket.recv(65_536)
        assert piece, "the server closed the connection"
        self._received += piece

    def is_closed(self) -> bool:
        return self.socket.recv(1) == b""


@pytest.fixture
def connected(server: Server) -> Iterator[Connection]:
    made = Connection(server)
    yield made
    made.socket.close()


def assert_usable(connected: Connection) -> None:
    connected.socket.sendall(HEALTH + b"\r\n")
    assert connected.head().startswith(b"HTTP/1.1 200 ")


def chunked(size: int) -> bytes:
    return b"%x\r\n%s\r\n" % (10_000, b" " * 10_000) * (size // 10_000) + b"0\r\n\r\n"


@each_early
@pytest.mark.parametrize("size", [1, 100_000, DROPPED_BYTES])
def test_a_body_that_nobody_wants_is_dropped_and_the_connection_stays(
    name: str, size: int, connected: Connection
) -> None:
    head, status = EARLY[name]
    for _ in range(3):
        connected.socket.sendall(head + b"Content-Length: %d\r\n\r\n" % size + b" " * size)
        answer = connected.head()
        assert answer.startswith(b"HTTP/1.1 %d " % status)
        assert b"connection: close" not in answer.lower()
    assert_usable(connected)


@each_early
def test_a_chunked_body_that_nobody_wants_is_dropped(name: str, connected: Connection) -> None:
    head, status = EARLY[name]
    connected.socket.sendall(head + b"Transfer-Encoding: chunked\r\n\r\n" + chunked(300_000))
    assert connected.head().startswith(b"HTTP/1.1 %d " % status)
    assert_usable(connected)


@each_early
@pytest.mark.parametrize("is_chunked", [False, True])
def test_after_a_very_large_body_the_client_gets_the_answer_before_the_connection_ends(
    name: str, is_chunked: bool, connected: Connection
) -> None:
    """The client sends everything before it reads, as nginx does. A reset would lose the answer."""
    head, status = EARLY[name]
    size = 8_000_000
    if is_chunked:
        connected.socket.sendall(head + b"Transfer-Encoding: chunked\r\n\r\n" + chunked(size))
    else:
        connected.socket.sendall(head + b"Content-Length: %d\r\n\r\n" % size + b" " * size)
    answer = connected.head()
    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert b"connection: close" in answer.lower()
    assert connected.is_closed()


def test_a_body_above_the_limit_is_answered_before_it_is_sent(connected: Connection) -> None:
    connected.socket.sendall(LOGIN + b"Content-Length: 7000000\r\n\r\n")
    answer = connected.head()
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"connection: close" in answer.lower()
    connected.socket.sendall(b" " * 7_000_000)
    assert connected.is_closed()


def test_a_client_that_asks_first_gets_its_refusal_instead_of_a_100(connected: Connection) -> None:
    connected.socket.sendall(LOGIN + b"Content-Length: 7000000\r\nExpect: 100-continue\r\n\r\n")
    assert connected.head().startswith(b"HTTP/1.1 413 ")


def test_a_client_that_asks_first_may_send_a_body_that_is_read(connected: Connection) -> None:
    connected.socket.sendall(LOGIN + b"Content-Length: 100000\r\nExpect: 100-continue\r\n\r\n")
    assert connected.head() == b"HTTP/1.1 100 Continue"
    connected.socket.sendall(b" " * 100_000)
    assert connected.head().startswith(b"HTTP/1.1 413 ")
    assert_usable(connected)


@pytest.mark.parametrize("name", ["health", "file"])
def test_http_1_0_may_keep_its_connection(name: str, connected: Connection) -> None:
    head, status = EARLY[name]
    head = head.replace(b"HTTP/1.1", b"HTTP/1.0")
    for _ in range(2):
        connected.socket.sendall(head + b"Connection: keep-alive\r\nContent-Length: 50000\r\n\r\n" + b" " * 50_000)
        answer = connected.head()
        assert answer.startswith(b"HTTP/1.0 %d " % status)
        assert b"connection: keep-alive" in answer.lower()
    connected.socket.sendall(head + b"Content-Length: 50000\r\n\r\n" + b" " * 50_000)
    assert connected.head().startswith(b"HTTP/1.0 %d " % status)
    assert connected.is_closed()
