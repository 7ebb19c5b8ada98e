"""`serve`: server processes with the settings that were fastest in the benchmarks, and what signals do to them.

Each process is a program of its own (common/server/process.py). A fork of a process that uses threads or cryptography,
as a management command does, can inherit a locked mutex that is never released.
"""

import os
import resource
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from queue import Empty, SimpleQueue

from django.conf import settings
from django.core.management.base import CommandError

from common.metrics.processes import ServerMetrics
from common.processes import end_with_parent
from common.server.sockets import CONNECTIONS, bound_sockets
from common.server.supervisor import GaveUp, Supervisor
from common.systemd import Watchdog, notify, notify_reloading
from config.environment import given_environment

APPLICATION = "config.rsgi:application"
SECONDS_BETWEEN_TICKS = 0.1
SECONDS_TO_STOP = 5  # of a program beside the server


def port_number(text: str) -> int:
    """A `type` for argparse: raises ValueError unless `text` is a port from 1 to 65535."""
    port = int(text)
    if not 1 <= port <= 65535:
        raise ValueError(text)
    return port


def refuse_taken_port(host: str, port: int) -> None:
    """Raises CommandError when another program listens there. The server's sockets would share the port with it."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise CommandError(
                f"Cannot listen on {host} port {port}: {error.strerror}. "
                'Choose another with --port (make demo ARGS="--port 8001").'
            ) from error


def serve(
    host: str,
    port: int,
    *,
    workers: int | None = None,
    beside: Sequence[str] = (),
    when_ready: Callable[[], None] | None = None,
    reloads: bool = True,
) -> None:
    """Serve until SIGINT or SIGTERM; `workers` is the number of processes, by default one per core.

    The first of these signals lets the processes drain and finish their calls; another one stops at once. SIGHUP
    exchanges the processes for new ones or, unless `reloads`, stops: then it means that the terminal was closed.
    `beside` are management commands that run as long as the server. `when_ready` is called when `/readyz` answers 200.
    Raises CommandError when the port is taken, when a server process does not come up, or a program beside it exits.
    """
    refuse_taken_port(host, port)
    _allow_open_files()
    settings.MEDIA_ROOT.mkdir(parents=True, exist_ok=True)
    signals: SimpleQueue[int] = SimpleQueue()
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, lambda number, _frame: signals.put(number))
    sockets = bound_sockets(host, port, workers or os.cpu_count() or 1)
    metrics = ServerMetrics.of_settings()
    supervisor = Supervisor(
        APPLICATION,
        sockets,
        _home(),
        given_environment() | (metrics.environment if metrics else {}),
        metrics.retire if metrics else None,
    )
    supervisor.start()
    programs = [_started([sys.executable, "manage.py", command]) for command in beside]
    if metrics:
        metrics.start(supervisor)  # which begins threads: the programs are started by a fork
    try:
        _Service(supervisor, programs, f"http://{host}:{port}/readyz", when_ready, reloads).run(signals)
    finally:
        supervisor.kill()
        for program in programs:
            _stop(program)
        if metrics:
            metrics.stop()


def _home() -> Path:
    """The folder of manage.py as it was named: a reload follows a link that leads to a newer version by then."""
    program = Path(sys.argv[0])
    return program.parent if program.is_absolute() and program.name == "manage.py" else settings.BASE_DIR


class _Service:
    """The loop of `serve`."""

    def __init__(
        self,
        supervisor: Supervisor,
        programs: "Sequence[subprocess.Popen[bytes]]",
        address: str,
        when_ready: Callable[[], None] | None,
        reloads: bool,
    ) -> None:
        self._supervisor = supervisor
        self._programs = programs
        self._address = address
        self._when_ready = when_ready
        self._reloads = reloads
        self._is_stopping = self._is_announced = False
        self._failure = ""

    def run(self, signals: "SimpleQueue[int]") -> None:
        watchdog = Watchdog()
        while not (self._is_stopping and self._supervisor.has_ended):
            with suppress(Empty):
                self._obey(signals.get(timeout=SECONDS_BETWEEN_TICKS))
            self._tick()
            watchdog.beat()
        if self._failure:
            raise CommandError(self._failure)

    def _obey(self, number: int) -> None:
        if number != signal.SIGHUP or not self._reloads:
            if self._is_stopping:
                self._supervisor.kill()
            else:
                self._stop()
        elif not self._is_stopping:
            self._supervisor.reload()
            notify_reloading()
            self._is_announced = False

    def _stop(self, failure: str = "") -> None:
        notify("STOPPING=1")
        self._is_stopping, self._failure = True, failure
        self._supervisor.stop()
        for program in self._programs:
            program.terminate()

    def _tick(self) -> None:
        try:
            self._supervisor.tick()
        except GaveUp:
            self._stop("A server process did not come up; its output is above.")
        if self._is_stopping:
            return
        if any(program.poll() is not None for program in self._programs):
            self._stop("A program that ran beside the server exited; its output is above.")
        elif self._supervisor.is_serving and not self._supervisor.is_reloading:
            if not self._is_announced:
                self._is_announced = True
                notify("READY=1")
            self._announce()

    def _announce(self) -> None:
        if self._when_ready:
            with suppress(OSError), urllib.request.urlopen(self._address, timeout=5):  # noqa: S310 - our own address
                self._when_ready()
                self._when_ready = None


def _allow_open_files() -> None:
    """Raise the soft limit of file descriptors, often 1,024, to what CONNECTIONS needs, at most to the hard limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * CONNECTIONS
    if soft != resource.RLIM_INFINITY and soft < wanted:
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


# --- programs beside the server -------------------------------------------------------------------


def _started(command: list[str]) -> "subprocess.Popen[bytes]":
    # In a new session, so that Ctrl-C in a terminal reaches only this process, which stops the programs itself.
    return subprocess.Popen(
        command,
        cwd=settings.BASE_DIR,
        start_new_session=True,
        preexec_fn=partial(end_with_parent, signal.SIGTERM),  # noqa: PLW1509 - this process has one thread
    )


def _stop(program: "subprocess.Popen[bytes]") -> None:
    """Stop gracefully, and leave no process of the program's session behind."""
    program.terminate()
    for harder in (signal.SIGTERM, signal.SIGKILL):
        with suppress(subprocess.TimeoutExpired):
            program.wait(SECONDS_TO_STOP)
        if _is_gone(program.pid):
            return
        with suppress(ProcessLookupError):
            os.killpg(program.pid, harder)
    program.wait()


def _is_gone(group: int) -> bool:
    """Whether no process of the group is left. Waits up to a second for those that are exiting."""
    with suppress(ProcessLookupError):
        for _ in range(50):
            os.killpg(group, 0)
            time.sleep(0.02)
        return False
    return True
