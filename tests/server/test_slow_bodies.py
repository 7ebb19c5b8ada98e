"""Clients with slow or too large bodies do not delay other callers."""

import json
import resource
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from common.server.bodies import BODY_SECONDS
from tests.patience import PATIENCE
from tests.server.conftest import usual, watched_health
from tests.servers import Server, running_server

SLOW_CONNECTIONS = 60
LOGIN = b"POST /api/v1/auth/login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
ANNOUNCED = LOGIN + b"Content-Length: 100\r\n\r\n{"
CHUNKED = LOGIN + b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n"
HEALTH_WITHIN = 0.2


def exchanged(server: Server, sent: bytes, *, within: float) -> tuple[bytes, float]:
    """The bytes that the server sends on a new connection until it closes it, and the seconds that this takes."""
    started = time.monotonic()
    with socket.create_connection(("127.0.0.1", server.port), timeout=within) as connected:
        connected.sendall(sent)
        received = b""
        while piece := connected.recv(65_536):
            received += piece
    return received, time.monotonic() - started


@pytest.mark.parametrize("head", [ANNOUNCED, CHUNKED], ids=["announced", "chunked"])
def test_slow_bodies_get_a_408_and_do_not_delay_other_calls(head: bytes, server: Server) -> None:
    with ThreadPoolExecutor(SLOW_CONNECTIONS) as pool, watched_health(server) as health:
        slow = [pool.submit(exchanged, server, head, within=3 * BODY_SECONDS) for _ in range(SLOW_CONNECTIONS)]
        until = time.monotonic() + BODY_SECONDS
        served = 0
        while time.monotonic() < until:
            assert server.call("GET", "/api/v1/live-stream/upcoming").status == 200
            served += 1
        answers = [each.result() for each in slow]

    assert served > BODY_SECONDS
    assert usual(health) < HEALTH_WITHIN
    for received, seconds in answers:
        top, _, body = received.partition(b"\r\n\r\n")
        assert top.startswith(b"HTTP/1.1 408 "), received
        assert b"x-error-code: request_timeout" in top
        assert json.loads(body)["errors"] == ["Request timeout", "the body did not arrive in time"]
        assert BODY_SECONDS - 1 < seconds < 2 * BODY_SECONDS


def test_idle_connections_do_not_delay_other_calls(server: Server) -> None:
    """More connections than a process of Granian accepts by default."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 4096)), hard))
    with ExitStack() as open_connections:
        for _ in range(1_500):
            address = ("127.0.0.1", server.port)
            open_connections.enter_context(socket.create_connection(address, timeout=PATIENCE))
        assert server.call("GET", "/healthz").status == 200
        assert server.call("GET", "/api/v1/live-stream/upcoming").status == 200
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_body_that_arrives_steadily_may_take_longer(server: Server) -> None:
    """40 KB a second for 13 seconds: a large picture over a slow network."""
    size, piece = 524_288, 40_960
    head = LOGIN + b"Content-Length: %d\r\nConnection: close\r\n\r\n" % size
    with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE) as connected:
        connected.sendall(head)
        sent = 0
        while sent < size:
            time.sleep(1)
            connected.sendall(b" " * min(piece, size - sent))
            sent += piece
        status = connected.recv(65_536).split(b" ")[1]

    # It was read to its end, and then refused as invalid.
    assert status in (b"400", b"413")


@pytest.mark.parametrize("excess", [1, 900_000])
def test_a_body_that_is_too_large_is_read_to_its_end_and_then_refused(excess: int, server: Server) -> None:
    """A proxy whose upload is aborted would answer with 502 instead of our answer."""
    body = b" " * (1_048_576 + excess)
    head = LOGIN + b"Content-Length: %d\r\n\r\n" % len(body)
    with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE) as connected:
        connected.sendall(head + body)
        assert connected.recv(65_536).startswith(b"HTTP/1.1 413 ")
        # The connection can still be used.
        connected.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert connected.recv(65_536).startswith(b"HTTP/1.1 200 ")


def test_a_body_that_is_far_too_large_is_refused_without_reading_it(server: Server) -> None:
    """The connection stays a little longer, for a client that sends before it reads."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE) as connected:
        started = time.monotonic()
        connected.sendall(LOGIN + b"Content-Length: 100000000\r\n\r\n{")
        received = connected.recv(65_536)
        assert time.monotonic() - started < BODY_SECONDS
        while connected.recv(65_536):
            pass

    assert received.startswith(b"HTTP/1.1 413 ")
    assert b"connection: close" in received


def test_a_client_that_disconnects_causes_no_error_in_the_log(capfd: pytest.CaptureFixture[str]) -> None:
    # A new server, started after `capfd`, which captures its output.
    with running_server(workers=1) as server:
        for head in (ANNOUNCED, CHUNKED, LOGIN + b"Content-Length: 500000\r\n\r\n{"):
            with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE) as connected:
                connected.sendall(head)
                time.sleep(0.2)
        assert server.call("GET", "/readyz").status == 200

    assert "failed" not in capfd.readouterr().err
