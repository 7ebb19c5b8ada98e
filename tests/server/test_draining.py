"""The end of `serve`: it drains, lets calls finish, and a second signal stops it at once."""

import json
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path

import pytest
from django.contrib.auth.models import Permission

from accounts.models import User
from edges.waiting import LONGEST_WAIT
from tests.conftest import make_user, token_of
from tests.patience import PATIENCE, wait_until
from tests.server.killing import SLOW
from tests.server.logs import Logged
from tests.server.test_streamed_answers import ROWS, posted, superuser  # noqa: F401 - a fixture
from tests.servers import Server, free_port, running_server
from tests.streams import make_stream, stream_url
from tests.test_demo import announced, start

TOKEN = "operations-token-of-these-tests-32"
DRAINS = {"DRAIN_SECONDS": "6", "OPERATIONS_TOKEN": TOKEN}
FOR_EVER = "600"  # longer than these tests wait
SLOWED = {"DJANGO_SETTINGS_MODULE": "tests.server.killing_settings", "KILLED": "slowed"}

pytestmark = pytest.mark.django_db(transaction=True)


@contextmanager
def kept(server: Server) -> Iterator[HTTPConnection]:
    with closing(HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)) as connected:
        connected.request("GET", "/healthz")
        assert not connected.getresponse().read().startswith(b"x")
        yield connected


def is_red(server: Server) -> bool:
    return server.call("GET", "/readyz").status == 503


def test_while_it_drains_it_serves_closes_connections_and_is_not_ready() -> None:
    with running_server(workers=2, **DRAINS) as server, kept(server) as connected:
        began = time.monotonic()
        server.signal(signal.SIGTERM)
        # Each of the two processes.
        wait_until(lambda: all(is_red(server) for _ in range(20)))
        answer = server.call("GET", "/readyz", token=TOKEN)
        assert (answer.status, answer.json()["errors"][-1]) == (503, "the server is stopping")
        assert "stopping" not in str(server.call("GET", "/readyz").json())
        connected.request("GET", "/api/v1/live-stream/upcoming")
        response = connected.getresponse()
        assert (response.status, response.headers["Connection"]) == (200, "close")
        assert server.call("GET", "/healthz").status == 200
        assert server.ended() == 0
        assert time.monotonic() - began > 6
    with pytest.raises(ConnectionRefusedError):
        server.call("GET", "/healthz")


def test_without_a_drain_it_stops_at_once_although_connections_are_idle() -> None:
    """The server would close idle connections after half a minute."""
    with running_server(workers=2) as server, kept(server), kept(server):
        began = time.monotonic()
        server.stop()
        assert time.monotonic() - began < 25


def test_a_second_signal_stops_at_once() -> None:
    with running_server(workers=2, DRAIN_SECONDS=FOR_EVER) as server:
        server.signal(signal.SIGTERM)
        wait_until(lambda: is_red(server))
        server.signal(signal.SIGINT)
        assert server.ended() == 0


def test_a_call_in_progress_is_answered() -> None:
    with running_server(workers=1, **SLOWED) as server, ThreadPoolExecutor(1) as pool:
        slow = pool.submit(server.call, "GET", SLOW)
        time.sleep(0.5)
        assert not slow.done()
        server.signal(signal.SIGTERM)
        assert slow.result().status == 404
        assert server.ended() == 0


def test_waiting_polls_end_with_an_empty_page() -> None:
    creator, edge = make_user("creator"), make_user("edge")
    edge.user_permissions.add(Permission.objects.get(codename="enforce"))
    stream, token = make_stream(creator, "active"), token_of(edge)
    address = stream_url(stream, "revocations")
    with running_server(workers=2, DRAIN_SECONDS="1") as server, ThreadPoolExecutor(8) as pool:
        since = server.call("GET", address, token=token).json()["data"]["cursor"]
        polls = [pool.submit(server.call, "GET", f"{address}?since={since}", token=token) for _ in range(8)]
        time.sleep(1)
        assert not any(poll.done() for poll in polls)
        began = time.monotonic()
        server.signal(signal.SIGTERM)
        answers = [poll.result() for poll in polls]
        assert server.ended() == 0
        assert time.monotonic() - began < LONGEST_WAIT / 2

    assert [answer.status for answer in answers] == [200] * 8
    for answer in answers:
        data = answer.json()["data"]
        assert (data["list"], data["cursor"]) == ([], since)


def test_an_export_is_sent_to_its_end(superuser: User) -> None:  # noqa: F811 - the fixture
    with running_server(workers=1) as server, closing(posted(server, superuser)) as connected:
        answer = connected.getresponse()
        server.signal(signal.SIGTERM)
        time.sleep(1)
        body = answer.read()
        assert server.ended() == 0
    assert len([json.loads(line) for line in body.splitlines()]) == ROWS


def test_the_processes_end_when_their_supervisor_is_killed(capfd: pytest.CaptureFixture[str]) -> None:
    logged = Logged(capfd)
    with running_server(workers=2, DRAIN_SECONDS=FOR_EVER) as server:
        server.signal(signal.SIGKILL)
        server.ended()
        wait_until(lambda: is_refused(server))
    assert [line for line in logged.all() if line["level"] != "info"] == []


def is_refused(server: Server) -> bool:
    try:
        server.call("GET", "/healthz")
    except ConnectionError:
        return True
    return False


def test_a_closed_terminal_ends_the_demo(tmp_path: Path) -> None:
    with start("--json", "--port", str(free_port()), "--data", str(tmp_path / "data")) as demo:
        announced(demo)
        demo.send_signal(signal.SIGHUP)
        _output, errors = demo.communicate(timeout=PATIENCE)
    assert (demo.returncode, errors.count("\n")) == (0, 1)
