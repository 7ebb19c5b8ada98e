"""The production server: Granian over RSGI, with the settings that the benchmark chose.

It always runs as a program of its own. Its workers are forks of it, and a fork of a process that has threads and
cryptography in use, as a management command has, can inherit a lock that nobody will ever release.
"""

import ctypes
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Sequence
from contextlib import suppress

from django.conf import settings
from django.core.management.base import CommandError

# Open connections of one process, each of which needs a file descriptor. A connection that does nothing costs about 20
# KB, and a new one waits when there are that many: then only a proxy helps.
CONNECTIONS = 4096
# Granian with the application of config/rsgi.py, as the benchmark chose. HTTP/1 is what proxies speak to a server
# behind them. The warnings of Granian are of no use to an operator.
PROGRAM = (
    *(sys.executable, "-m", "granian", "--interface", "rsgi", "--loop", "uvloop", "--http", "1", "--no-ws"),
    *("--backpressure", str(CONNECTIONS), "--backlog", str(CONNECTIONS)),
    *("--log-level", "error", "--respawn-failed-workers", "config.rsgi:application"),
)
# For the allocator of glibc. Without these it has a heap for each thread and keeps large blocks in them: after uploads
# the memory of a process grew by 12 % within minutes, with these by 2 %.
ALLOCATOR = {"MALLOC_ARENA_MAX": "2", "MALLOC_MMAP_THRESHOLD_": "262144"}
SECONDS_UNTIL_READY = 60
SECONDS_TO_STOP = 5
PR_SET_PDEATHSIG = 1  # of linux/prctl.h


def port_number(text: str) -> int:
    """For argparse: raises ValueError unless it is a port that can be listened on."""
    port = int(text)
    if not 1 <= port <= 65535:
        raise ValueError(text)
    return port


def refuse_taken_port(host: str, port: int) -> None:
    """Raises CommandError when another program listens there, which the server itself would not notice."""
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
) -> None:
    """Serve until SIGINT or SIGTERM; `workers` is the number of processes, by default one a core.

    `beside` are management commands that run and end with the server. `when_ready` runs once `/readyz` says so.
    Raises CommandError when the port is taken, or when one of the programs ends by itself.
    """
    refuse_taken_port(host, port)
    _allow_open_files()
    stopped = threading.Event()
    # SIGHUP: somebody closed the terminal.
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, lambda *_: stopped.set())
    server = _started(_command(host, port, workers))
    programs = [server, *(_started([sys.executable, "manage.py", command]) for command in beside)]
    if when_ready and _becomes_ready(server, stopped, f"http://{host}:{port}/readyz"):
        when_ready()
    while all(program.poll() is None for program in programs) and not stopped.wait(0.2):
        pass
    for program in programs:
        _stop(program)
    if not stopped.is_set():
        raise CommandError("The server, or what ran beside it, ended by itself; what it said stands above.")


def _allow_open_files() -> None:
    """Raise the soft limit, often 1,024, to what the connections of a process need, as far as the hard limit allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * CONNECTIONS
    if soft != resource.RLIM_INFINITY and soft < wanted:
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def _started(command: list[str]) -> "subprocess.Popen[bytes]":
    # In a session of its own: Ctrl-C in a terminal reaches this process, which passes it on once.
    return subprocess.Popen(
        command,
        cwd=settings.BASE_DIR,
        env=ALLOCATOR | os.environ,
        start_new_session=True,
        preexec_fn=_die_with_parent,  # noqa: PLW1509 - this process has one thread
    )


def _die_with_parent() -> None:
    """Linux ends the program when this process is killed, which cannot pass that on."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def _stop(program: "subprocess.Popen[bytes]") -> None:
    """Let the calls in hand finish, and leave nothing of the program's session behind.

    A process of the server now and then misses that its parent told it to stop, and the parent waits for it for ever:
    then all are told directly, and at last ended.
    """
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
    """Whether no process of the group is left, after a moment for those that are about to end."""
    with suppress(ProcessLookupError):
        for _ in range(50):
            os.killpg(group, 0)
            time.sleep(0.02)
        return False
    return True


def _command(host: str, port: int, workers: int | None) -> list[str]:
    settings.MEDIA_ROOT.mkdir(parents=True, exist_ok=True)
    return [*PROGRAM, "--host", host, "--port", str(port), "--workers", str(workers or os.cpu_count() or 1)]


def _becomes_ready(server: "subprocess.Popen[bytes]", stopped: threading.Event, address: str) -> bool:
    until = time.monotonic() + SECONDS_UNTIL_READY
    while server.poll() is None and time.monotonic() < until and not stopped.wait(0.1):
        with suppress(OSError), urllib.request.urlopen(address, timeout=5):  # noqa: S310 - our own address
            return True
    return False
