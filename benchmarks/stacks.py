"""The measured servers: how each is started, awaited and stopped."""

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass

import psutil

from benchmarks.load import Asked
from benchmarks.world import ROOT, World

WORKERS = 2
# Threads of each Granian worker of the peers. With two, one request runs while another waits for PostgreSQL.
THREADS = 2
START_TIMEOUT = 60  # seconds
STOP_TIMEOUT = 10


def granian(application: str) -> list[str]:
    return [
        *(sys.executable, "-m", "granian", "--interface", "wsgi", "--no-ws", "--log-level", "warning"),
        *("--workers", str(WORKERS), "--blocking-threads", str(THREADS)),
        # As in production: a thread that ends while it is idle closes its database connection.
        *("--blocking-threads-idle-timeout", "600", application),
    ]


def uvicorn(application: str) -> list[str]:
    return [
        *(sys.executable, "-m", "uvicorn", "--loop", "uvloop", "--http", "httptools"),
        *("--workers", str(WORKERS), "--no-access-log", "--log-level", "warning", application),
    ]


@dataclass(frozen=True)
class Stack:
    name: str
    title: str
    command: Sequence[str]
    settings: str = ""


SERVE = [sys.executable, "manage.py", "serve"]
KUMANDA = Stack("kumanda", "Kumanda", [*SERVE, "--workers", str(WORKERS)], "config.settings")
BARE = Stack("bare", "bare WSGI, the limit", granian("benchmarks.peers.bare.app:application"))
FASTAPI = Stack("fastapi", "FastAPI + SQLAlchemy async ORM", uvicorn("benchmarks.peers.fastapi_sqlalchemy.app:app"))
DRF = Stack(
    "drf",
    "DRF out of the box",
    granian("benchmarks.peers.drf.wsgi:application"),
    "benchmarks.peers.drf.settings",
)
STACKS = (KUMANDA, BARE, FASTAPI, DRF)


def cpu_seconds(process: psutil.Process) -> float:
    """CPU time of the process and its descendants, including those that have ended."""
    seconds = 0.0
    for member in [process, *process.children(recursive=True)]:
        with suppress(psutil.NoSuchProcess):
            times = member.cpu_times()
            seconds += times.user + times.system + times.children_user + times.children_system
    return seconds


@dataclass(frozen=True)
class Running:
    stack: Stack
    port: int
    process: psutil.Process

    def ask(self, asked: Asked) -> tuple[int, bytes]:
        """Send one request on a new connection. Return status and body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=START_TIMEOUT)
        try:
            headers = {"Authorization": f"Bearer {asked.token}"} | (
                {"Content-Type": "application/json"} if asked.body else {}
            )
            connection.request(asked.method, asked.path, asked.body or None, headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()


@contextmanager
def running(stacks: Sequence[Stack], world: World) -> Iterator[list[Running]]:
    """Run all `stacks`, each on a free port of the loopback interface. Stop them at the end."""
    with ExitStack() as everything:
        # Start all first, then wait, so that they start in parallel.
        ports = free_ports(len(stacks))
        servers = [
            everything.enter_context(_started(stack, world, port)) for stack, port in zip(stacks, ports, strict=True)
        ]
        for server, process in servers:
            _await(server, process)
        yield [server for server, _ in servers]


@contextmanager
def _started(stack: Stack, world: World, port: int) -> Iterator[tuple[Running, subprocess.Popen[bytes]]]:
    process = subprocess.Popen(
        [*stack.command, "--host", "127.0.0.1", "--port", str(port)],
        cwd=ROOT,
        env=world.environment | ({"DJANGO_SETTINGS_MODULE": stack.settings} if stack.settings else {}),
        stdin=subprocess.DEVNULL,
        # Ctrl-C reaches only this process, which then stops each server with its process group.
        start_new_session=True,
    )
    try:
        yield Running(stack, port, psutil.Process(process.pid)), process
    finally:
        stopped(process)


def free_ports(count: int) -> list[int]:
    """All sockets stay open until all ports are chosen: Granian would share a port that is taken, not fail."""
    with ExitStack() as held:
        sockets = [held.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [server.getsockname()[1] for server in sockets]


def await_port(port: int, *, seconds: float = START_TIMEOUT) -> None:
    """Return when something listens there. Raises RuntimeError after `seconds`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.05)
    raise RuntimeError(f"nothing listens on port {port} after {seconds:.0f} seconds")


def _await(server: Running, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"{server.stack.title} did not start: exit code {process.returncode}")
        try:
            server.ask(Asked("GET", "/api/v1/live-stream", ""))
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise RuntimeError(f"{server.stack.title} did not answer within {START_TIMEOUT} seconds")


def stopped(process: subprocess.Popen[bytes]) -> None:
    """Terminate the process, then kill what is left of its process group."""
    if process.poll() is None:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(STOP_TIMEOUT)
    # A server that hangs, or workers that outlived their server.
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
