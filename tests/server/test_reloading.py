"""SIGHUP: `serve` exchanges its processes for new ones with new code and settings, and no call fails."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path

import pytest

from tests.conftest import make_user
from tests.load import PLENTY, load, mixed_calls
from tests.patience import PATIENCE, wait_until
from tests.server.logs import Logged
from tests.servers import Server, running_server

pytestmark = pytest.mark.django_db(transaction=True)
RATE = 80
TOKEN = "operations-token-of-these-tests-32"


@contextmanager
def changeable(folder: Path, **environment: str) -> Iterator[tuple[Server, Path]]:
    """A server, and the module of its settings."""
    module = folder / "changed_settings.py"
    write(module, "OLD")
    named = {"DJANGO_SETTINGS_MODULE": module.stem, "PYTHONPATH": str(folder), **PLENTY}
    with running_server(workers=2, **named | environment) as server:
        yield server, module


def write(module: Path, version: str) -> None:
    module.write_text(f"from config.settings import *\n\nX_FRAME_OPTIONS = {version!r}\n")


def versions(server: Server) -> set[str]:
    """What the answers of all processes show: each call may be accepted by any of them."""
    answers = [server.call("GET", "/api/v1/live-stream/upcoming") for _ in range(16)]
    return {answer.headers["x-frame-options"] for answer in answers if answer.status == 200}


def test_no_call_fails_while_the_processes_are_exchanged(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Two times, without a proxy, with connections that are kept and new ones."""
    logged = Logged(capfd)
    sent = mixed_calls(make_user("creator"), make_user("viewer"))
    with changeable(tmp_path, DRAIN_SECONDS="2", OPERATIONS_TOKEN=TOKEN) as (server, module):
        assert versions(server) == {"OLD"}

        def connect() -> HTTPConnection:
            return HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)

        with load(connect, sent, rate=RATE) as made:
            time.sleep(1)
            for number in (1, 2):
                write(module, f"NEW {number}")
                server.signal(signal.SIGHUP)
                logged.wait_for("reloaded", number)
                assert b"stopping" not in server.call("GET", "/readyz", token=TOKEN).body
            time.sleep(4)
        assert versions(server) == {"NEW 2"}
        server.signal(signal.SIGTERM)
        server.ended()

    assert set(made.answers) == {200}, made.answers
    assert made.answers[200] > 5 * RATE
    assert made.closed >= 8, "kept connections move over"
    assert logged.lines("a server process died") == []


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        ("from config.settings import *\n\nraise ValueError('a wrong setting')\n", "its output is above"),
        ("from config.settings import *\n\nROOT_URLCONF = 'missing_urls'\n", "its output is above"),
        (
            "from config.settings import *\n\nDATABASES['default'] |= {'HOST': '127.0.0.1', 'PORT': '1'}\n",
            "the database does not answer",
        ),
    ],
    ids=["settings", "addresses", "database"],
)
def test_after_a_wrong_change_the_old_processes_stay(
    broken: str, reason: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    logged = Logged(capfd)
    with changeable(tmp_path) as (server, module):
        module.write_text(broken)
        server.signal(signal.SIGHUP)
        (line,) = logged.wait_for("not reloaded")
        assert reason in line["event"]
        assert line["level"] == "error"
        assert versions(server) == {"OLD"}
        # The next reload, with a right change, works.
        write(module, "NEW")
        server.signal(signal.SIGHUP)
        wait_until(lambda: versions(server) == {"NEW"})
