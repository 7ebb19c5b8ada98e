"""Server processes that die are logged and replaced; when none comes up any more, `serve` ends."""

import os
import signal
from pathlib import Path

import pytest

from tests.patience import PATIENCE, wait_until
from tests.server.logs import Logged
from tests.servers import running_server

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_killed_process_is_logged_and_replaced_and_the_others_serve(capfd: pytest.CaptureFixture[str]) -> None:
    logged = Logged(capfd)
    with running_server(workers=2) as server:
        before = server.accepting()
        for number, killed in enumerate(before, 1):
            os.kill(killed, signal.SIGKILL)
            wait_until(lambda n=number: len(logged.lines("a server process died")) == n)  # type: ignore[misc]
            line = logged.lines("a server process died")[-1]
            assert (line["pid"], line["signal"], line["level"]) == (killed, "SIGKILL", "error")
            wait_until(lambda: len(server.accepting()) == 2)
            assert all(server.call("GET", "/healthz").status == 200 for _ in range(20))
        assert not set(before) & set(server.accepting())


def test_a_process_that_ends_by_itself_is_logged_with_its_exit_code(capfd: pytest.CaptureFixture[str]) -> None:
    logged = Logged(capfd)
    with running_server(workers=2) as server:
        os.kill(server.accepting()[0], signal.SIGINT)  # a process stops at SIGINT
        (line,) = logged.wait_for("a server process died")
        assert (line["exit_code"], "signal" in line) == (0, False)
        wait_until(lambda: len(server.accepting()) == 2)
        assert server.call("GET", "/healthz").status == 200


def test_processes_that_do_not_come_up_again_are_tried_a_few_times_and_then_serve_fails(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    logged = Logged(capfd)
    module = tmp_path / "failing_settings.py"
    module.write_text("from config.settings import *\n")
    environment = {"DJANGO_SETTINGS_MODULE": module.stem, "PYTHONPATH": str(tmp_path)}
    with running_server(workers=2, **environment) as server:
        # A process that has not started yet would fail too, and `serve` end at once.
        wait_until(lambda: len(server.accepting()) == 2)
        module.write_text("raise SystemExit(7)\n")
        os.kill(server.accepting()[0], signal.SIGKILL)
        assert server.process is not None
        # The other process serves meanwhile.
        wait_until(lambda: len(logged.lines("a server process died")) >= 2)
        assert server.process.wait(timeout=PATIENCE) == 1
    lines = logged.lines("a server process died")
    assert [line.get("signal") for line in lines] == ["SIGKILL"] + [None] * 5
    assert [line.get("exit_code") for line in lines[1:]] == [7] * 5
    assert "did not come up" in logged.text
