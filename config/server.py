"""The production server: Granian over WSGI, with the settings that the benchmark chose.

It always runs as a program of its own. Its workers are forks of it, and a fork of a process that has threads and
cryptography in use, as a management command has, can inherit a lock that nobody will ever release.
"""

import ctypes
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable
from contextlib import suppress

from django.conf import settings
from django.core.management.base import CommandError

# Each thread keeps a database connection, and Python runs one thread of a process at a time: more threads than
# this only wait for each other. Those that wait for news of bans cost nothing meanwhile, and come on top.
WORKING_THREADS = 2
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


def serve(host: str, port: int, *, workers: int | None = None, when_ready: Callable[[], None] | None = None) -> None:
    """Serve until SIGINT or SIGTERM; `workers` is the number of processes, by default one a core.

    `when_ready` runs once `/readyz` says so. Raises CommandError when the port is taken, or when the server ends by
    itself.
    """
    refuse_taken_port(host, port)
    stopped = threading.Event()
    # SIGHUP: somebody closed the terminal.
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, lambda *_: stopped.set())
    # In a session of its own: Ctrl-C in a terminal reaches this process, which passes it on once.
    server = subprocess.Popen(
        _command(host, port, workers),
        cwd=settings.BASE_DIR,
        start_new_session=True,
        preexec_fn=_die_with_parent,  # noqa: PLW1509 - this process has one thread
    )
    if when_ready and _becomes_ready(server, stopped, f"http://{host}:{port}/readyz"):
        when_ready()
    while server.poll() is None and not stopped.wait(0.2):
        pass
    _stop(server)
    if not stopped.is_set():
        raise CommandError("The server ended by itself; what it said stands above.")


def _die_with_parent() -> None:
    """Linux ends the server when this process is killed, which cannot pass that on."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def _stop(server: "subprocess.Popen[bytes]") -> None:
    """Let the calls in hand finish, and leave nothing of the server's session behind.

    A worker now and then misses that its parent told it to stop, and the parent waits for it for ever: then all are
    told directly, and at last ended.
    """
    server.terminate()
    for harder in (signal.SIGTERM, signal.SIGKILL):
        with suppress(subprocess.TimeoutExpired):
            server.wait(SECONDS_TO_STOP)
        if _is_gone(server.pid):
            return
        with suppress(ProcessLookupError):
            os.killpg(server.pid, harder)
    server.wait()


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
    options: dict[str, object] = {
        "interface": "wsgi",
        "host": host,
        "port": port,
        "workers": workers or os.cpu_count() or 1,
        "blocking-threads": WORKING_THREADS + settings.WAITING_POLLS,
        "blocking-threads-idle-timeout": 600,
        "static-path-route": "/media",
        "static-path-mount": settings.MEDIA_ROOT,
        "log-level": "error",  # its warnings find threads that wait too many
    }
    flags = [part for name, value in options.items() for part in (f"--{name}", str(value))]
    return [sys.executable, "-m", "granian", *flags, "--respawn-failed-workers", "--no-ws", "config.wsgi:application"]


def _becomes_ready(server: "subprocess.Popen[bytes]", stopped: threading.Event, address: str) -> bool:
    until = time.monotonic() + SECONDS_UNTIL_READY
    while server.poll() is None and time.monotonic() < until and not stopped.wait(0.1):
        with suppress(OSError), urllib.request.urlopen(address, timeout=5):  # noqa: S310 - our own address
            return True
    return False
