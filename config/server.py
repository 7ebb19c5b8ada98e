"""The production server: Granian over WSGI, with the settings that the benchmark chose.

It always runs as a program of its own. Its workers are forks of it, and a fork of a process that has threads and
cryptography in use, as a management command has, can inherit a lock that nobody will ever release.
"""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from contextlib import suppress

from django.conf import settings
from django.core.management.base import CommandError
from django.db import connections

# Each thread keeps a database connection, and Python runs one thread of a process at a time: more threads than
# this only wait for each other.
THREADS_PER_WORKER = 2
SECONDS_UNTIL_READY = 60
SECONDS_TO_STOP = 15


def refuse_taken_port(host: str, port: int) -> None:
    """Raises CommandError when another program listens there, which the server itself would not notice."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise CommandError(
                f"Cannot listen on {host} port {port}: {error.strerror}. Choose another with --port."
            ) from error


def become_server(host: str, port: int, workers: int | None) -> None:
    """Turn this process into the server. `workers` is the number of processes; None means one a core."""
    refuse_taken_port(host, port)
    connections.close_all()
    os.chdir(settings.BASE_DIR)
    os.execv(sys.executable, _command(host, port, workers))  # noqa: S606 - a list of our own


def serve(host: str, port: int, *, when_ready: Callable[[], None]) -> None:
    """Serve until SIGINT or SIGTERM; `when_ready` runs once `/readyz` says so.

    Raises CommandError when the port is taken, or when the server ends by itself.
    """
    refuse_taken_port(host, port)
    # In a session of its own: Ctrl-C in a terminal reaches this process, which passes it on once.
    server = subprocess.Popen(_command(host, port, None), cwd=settings.BASE_DIR, start_new_session=True)
    stopped = False

    def stop(signum: int, frame: object) -> None:
        nonlocal stopped
        stopped = True
        server.terminate()

    for signum in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signum, stop)
    if _becomes_ready(server, f"http://{host}:{port}/readyz"):
        when_ready()
    server.wait()
    _end_group(server.pid)
    if not stopped:
        raise CommandError("The server ended by itself; what it said stands above.")


def _end_group(group: int) -> None:
    """Wait for the workers, which may outlive the server by a moment, and end those that hang."""
    until = time.monotonic() + SECONDS_TO_STOP
    with suppress(ProcessLookupError):
        while time.monotonic() < until:
            os.killpg(group, 0)
            time.sleep(0.05)
        os.killpg(group, signal.SIGKILL)


def _command(host: str, port: int, workers: int | None) -> list[str]:
    settings.MEDIA_ROOT.mkdir(parents=True, exist_ok=True)
    options: dict[str, object] = {
        "interface": "wsgi",
        "host": host,
        "port": port,
        "workers": workers or os.cpu_count() or 1,
        "blocking-threads": THREADS_PER_WORKER,
        "blocking-threads-idle-timeout": 600,
        "static-path-route": "/media",
        "static-path-mount": settings.MEDIA_ROOT,
        "log-level": "warning",
    }
    flags = [part for name, value in options.items() for part in (f"--{name}", str(value))]
    return [sys.executable, "-m", "granian", *flags, "--respawn-failed-workers", "--no-ws", "config.wsgi:application"]


def _becomes_ready(server: "subprocess.Popen[bytes]", address: str) -> bool:
    until = time.monotonic() + SECONDS_UNTIL_READY
    while server.poll() is None and time.monotonic() < until:
        try:
            with urllib.request.urlopen(address, timeout=5):  # noqa: S310 - our own address
                return True
        except OSError:
            time.sleep(0.1)
    return False
