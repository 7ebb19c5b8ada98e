"""The programs of the service: `serve` on two ports and two `worker`, restarted when they die, as systemd does."""

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO

import psutil

from benchmarks.attack.service import ended, family

RESTART_AFTER = 1.0  # seconds, as RestartSec= of the unit files
START_TIMEOUT = 60.0
STOP_TIMEOUT = 60.0
PROCESSES = 2  # of each server
QUEUES = 2  # of each worker, which registers once for each


class Program:
    """One command of manage.py. `stderr` is appended to `log`, unless a start names another file."""

    def __init__(
        self, name: str, command: list[str], checkout: Path, environment: Mapping[str, str], log: Path
    ) -> None:
        self.name, self.command, self.checkout = name, command, checkout
        self.environment, self.log = environment, log
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, *, stderr: IO[bytes] | int | None = None, **changed: str) -> None:
        """`changed` are variables of the environment, for this start only."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", *self.command],
                cwd=self.checkout,
                env={**self.environment, **changed},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log if stderr is None else stderr,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    @property
    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def processes(self) -> list[psutil.Process]:
        with suppress(psutil.NoSuchProcess):
            return family(psutil.Process(self.pid))
        return []

    def signalled(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def stop(self) -> None:
        """SIGTERM, and wait for the end. Raises RuntimeError when it does not end."""
        self.signalled(signal.SIGTERM)
        self.wait()

    def wait(self) -> None:
        assert self.process is not None
        try:
            self.process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired as error:
            raise RuntimeError(f"{self.name} did not stop within {STOP_TIMEOUT:.0f} seconds of SIGTERM") from error

    def kill(self) -> None:
        """SIGKILL of the program with all its processes."""
        if self.process is not None:
            with suppress(psutil.NoSuchProcess):
                ended(psutil.Process(self.pid))
            self.process.wait()

    def await_ready(self) -> None:
        """Raises RuntimeError when it ends, or is not ready within START_TIMEOUT."""
        deadline = time.monotonic() + START_TIMEOUT
        while time.monotonic() < deadline:
            if not self.is_running:
                raise RuntimeError(f"{self.name} ended when it started:\n{self._tail()}")
            if self.is_ready():
                return
            time.sleep(0.05)
        raise RuntimeError(f"{self.name} was not ready within {START_TIMEOUT:.0f} seconds:\n{self._tail()}")

    def is_ready(self) -> bool:
        raise NotImplementedError

    def restart_after_death(self) -> None:
        """What systemd does with Restart=always."""
        time.sleep(RESTART_AFTER)
        self.start()
        self.await_ready()

    def _tail(self) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-15:])


class Server(Program):
    def __init__(self, name: str, port: int, checkout: Path, environment: Mapping[str, str], log: Path) -> None:
        command = ["serve", "--port", str(port), "--workers", str(PROCESSES)]
        super().__init__(name, command, checkout, environment, log)
        self.port = port

    def is_ready(self) -> bool:
        with suppress(OSError, urllib.error.URLError):
            urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=5).close()
            return True
        return False


class Worker(Program):
    """`newest` returns the largest id of a worker that has registered in the database."""

    def __init__(
        self, name: str, checkout: Path, environment: Mapping[str, str], log: Path, newest: Callable[[], int]
    ) -> None:
        super().__init__(name, ["worker"], checkout, environment, log)
        self.newest = newest
        self.newest_before = 0

    def start(self, *, stderr: IO[bytes] | int | None = None, **changed: str) -> None:
        self.newest_before = self.newest()
        super().start(stderr=stderr, **changed)

    def is_ready(self) -> bool:
        return self.newest() >= self.newest_before + QUEUES
