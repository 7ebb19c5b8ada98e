"""The production server: Granian over WSGI, with the settings that the benchmark chose."""

import os
import socket
import threading
import urllib.request
from collections.abc import Callable

from django.conf import settings
from django.core.management.base import CommandError
from django.db import connections
from granian import Granian
from granian.constants import Interfaces
from granian.log import LogLevels

# Each thread keeps a database connection, and Python runs one thread of a process at a time: more threads than
# this only wait for each other.
THREADS_PER_WORKER = 4
SECONDS_UNTIL_READY = 60


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


def serve(host: str, port: int, *, workers: int | None = None, when_ready: Callable[[], None] | None = None) -> None:
    """Serve until SIGINT or SIGTERM; `workers` is the number of processes (default: one a core).

    `when_ready` runs once the first answer of `/readyz` says so.
    """
    refuse_taken_port(host, port)
    settings.MEDIA_ROOT.mkdir(parents=True, exist_ok=True)
    # The workers are children: none may share this process's connection.
    connections.close_all()
    if when_ready:
        threading.Thread(target=_call_when_ready, args=(host, port, when_ready), daemon=True).start()
    Granian(
        "config.wsgi:application",
        address=host,
        port=port,
        interface=Interfaces.WSGI,
        workers=workers or os.cpu_count() or 1,
        blocking_threads=THREADS_PER_WORKER,
        blocking_threads_idle_timeout=600,
        respawn_failed_workers=True,
        workers_kill_timeout=10,
        static_path_route=["/media"],
        static_path_mount=[settings.MEDIA_ROOT],
        log_level=LogLevels.warning,
    ).serve()


def _call_when_ready(host: str, port: int, when_ready: Callable[[], None]) -> None:
    address = f"http://{'127.0.0.1' if host in ('0.0.0.0', '::') else host}:{port}/readyz"  # noqa: S104 - compared, not bound
    for _ in range(SECONDS_UNTIL_READY * 10):
        try:
            with urllib.request.urlopen(address, timeout=5):
                break
        except OSError:
            threading.Event().wait(0.1)
    else:
        return
    when_ready()
