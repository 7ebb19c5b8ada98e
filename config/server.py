"""The production server: Granian over RSGI, with the settings that were fastest in the benchmarks.

It always runs as a separate program. Its workers are forks, and a fork of a process that uses threads or cryptography,
as a management command does, can inherit a locked mutex that is never released.
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

# Open connections of one process. Each needs a file descriptor and, when idle, about 20 KB. More connections wait in
# the backlog; a service with more needs a reverse proxy in front.
CONNECTIONS = 4096
# Granian with the application of config/rsgi.py. Reverse proxies use HTTP/1 upstream. Granian's warnings do not help an
# operator, so it logs errors only.
PROGRAM = (
    *(sys.executable, "-m", "granian", "--interface", "rsgi", "--loop", "uvloop", "--http", "1", "--no-ws"),
    *("--backpressure", str(CONNECTIONS), "--backlog", str(CONNECTIONS)),
    *("--log-level", "error", "--respawn-failed-workers", "config.rsgi:application"),
)
# For glibc's malloc. Without these it has an arena for each thread and keeps large blocks in them: after uploads the
# memory of a process grew by 12 % within minutes, with these by 2 %.
ALLOCATOR = {"MALLOC_ARENA_MAX": "2", "MALLOC_MMAP_THRESHOLD_": "262144"}
SECONDS_UNTIL_READY = 60
SECONDS_TO_STOP = 5
PR_SET_PDEATHSIG = 1  # of linux/prctl.h


def port_number(text: str) -> int:
    """A `type` for argparse: raises ValueError unless `text` is a port from 1 to 65535."""
    port = int(text)
    if not 1 <= port <= 65535:
        raise ValueError(text)
    return port


def refuse_taken_port(host: str, port: int) -> None:
    """Raises CommandError when another program listens there. Granian itself would not report it."""
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
    """Serve until SIGINT, SIGTERM or SIGHUP; `workers` is the number of processes, by default one per core.

    `beside` are management commands that run as long as the server. `when_ready` is called when `/readyz` answers 200.
    Raises CommandError when the port is taken, or when one of the programs exits.
    """
    refuse_taken_port(host, port)
    _allow_open_files()
    stopped = threading.Event()
    # SIGHUP: the terminal was closed.
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
        raise CommandError("The server, or a program that ran beside it, exited; its output is above.")


def _allow_open_files() -> None:
    """Raise the soft limit of file descriptors, often 1,024, to what CONNECTIONS needs, at most to the hard limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * CONNECTIONS
    if soft != resource.RLIM_INFINITY and soft < wanted:
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def _started(command: list[str]) -> "subprocess.Popen[bytes]":
    # In a new session, so that Ctrl-C in a terminal reaches only this process, which stops the programs itself.
    return subprocess.Popen(
        command,
        cwd=settings.BASE_DIR,
        env=ALLOCATOR | os.environ,
        start_new_session=True,
        preexec_fn=_die_with_parent,  # noqa: PLW1509 - this process has one thread
    )


def _die_with_parent() -> None:
    """Let Linux send SIGTERM to the program when this process dies, also by SIGKILL."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def _stop(program: "subprocess.Popen[bytes]") -> None:
    """Stop gracefully, and leave no process of the program's session behind.

    Sometimes a worker misses the stop request of its parent, and the parent waits for it for ever. Then SIGTERM goes to
    the whole process group, and at last SIGKILL.
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
    """Whether no process of the group is left. Waits up to a second for those that are exiting."""
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
