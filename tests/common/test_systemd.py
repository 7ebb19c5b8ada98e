"""Notifications to systemd: a real datagram socket, and `serve` as systemd starts it."""

import signal
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from threading import Thread

import pytest

from common import systemd
from tests.patience import PATIENCE
from tests.servers import running_server


class Manager:
    """The socket of a service manager, and what has arrived there."""

    def __init__(self, path: str) -> None:
        self.address = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(path.replace("@", "\0", 1))
        self._arrived: SimpleQueue[str] = SimpleQueue()

    def read(self) -> None:
        """Read in a thread from now on, as systemd does."""
        Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        while message := self._socket.recv(4096):
            self._arrived.put(message.decode())

    def next(self) -> str:
        return self._arrived.get(timeout=PATIENCE)

    def next_but(self, ignored: str) -> str:
        while (found := self.next()) == ignored:
            pass
        return found

    def close(self) -> None:
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RD)  # ends the thread
        self._socket.close()


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Manager]:
    made = Manager(str(tmp_path / "notify") if request.param == "path" else f"@{tmp_path}")
    yield made
    made.close()


def test_assignments_arrive_in_one_datagram(manager: Manager, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", manager.address)
    manager.read()
    systemd.notify("READY=1", "STATUS=well")
    assert manager.next() == "READY=1\nSTATUS=well"
    systemd.notify_reloading()
    first, second = manager.next().split("\n")
    assert first == "RELOADING=1"
    microseconds = int(second.removeprefix("MONOTONIC_USEC="))
    assert abs(microseconds / 1_000_000 - time.clock_gettime(time.CLOCK_MONOTONIC)) < 60


@pytest.mark.parametrize("address", ["", "nonsense", "/nowhere/notify"])
def test_without_a_service_manager_nothing_happens(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    systemd.notify("READY=1")


def test_a_service_manager_that_does_not_read_stops_nobody(manager: Manager, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", manager.address)
    monkeypatch.setattr(systemd, "LONGEST_WAIT", 0.001)
    for _ in range(1_000):
        systemd.notify("WATCHDOG=1")


@pytest.mark.django_db(transaction=True)
def test_serve_notifies_systemd_of_each_state(manager: Manager) -> None:
    watched = "WATCHDOG=1"
    manager.read()
    with running_server(workers=2, NOTIFY_SOCKET=manager.address, WATCHDOG_USEC="1000000") as server:
        assert manager.next_but(watched) == "READY=1"
        assert manager.next() == watched
        server.signal(signal.SIGHUP)
        assert manager.next_but(watched).startswith("RELOADING=1\nMONOTONIC_USEC=")
        assert manager.next_but(watched) == "READY=1"
        server.signal(signal.SIGTERM)
        assert manager.next_but(watched) == "STOPPING=1"
        assert server.ended() == 0
