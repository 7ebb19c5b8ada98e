"""Faults of servers and workers, of their disks and clocks. Each returns when its cause is gone."""

import fcntl
import os
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from benchmarks.faults.database_faults import close_all
from benchmarks.faults.installation import Installation
from benchmarks.faults.programs import Program, Server

FAKETIME = next((str(path) for path in Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")), "")
FAST_BY = "+30m"
SMALLEST_PIPE = 4096  # bytes
NEW_PROCESS_WITHIN = 15.0  # seconds


def server_process_killed(place: Installation, _seconds: float) -> None:
    """One of the processes of a server that answer. The server itself starts another one."""
    server = place.servers[0]
    before = _answering(server)
    max(before, key=lambda process: process.create_time()).kill()
    deadline = time.monotonic() + NEW_PROCESS_WITHIN
    while not set(_answering(server)) - set(before):
        if time.monotonic() > deadline:
            raise RuntimeError(f"{server.name} started no process for the killed one")
        time.sleep(0.05)
    server.await_ready()


def _answering(server: Server) -> list[psutil.Process]:
    """The descendants of a server that listen on its port."""
    found = []
    for process in server.processes()[1:]:
        with suppress(psutil.Error):
            if any(tuple(each.laddr)[1:] == (server.port,) for each in process.net_connections("tcp")):
                found.append(process)
    return found


def server_killed(place: Installation, _seconds: float) -> None:
    place.servers[0].kill()
    place.servers[0].restart_after_death()


def worker_killed(place: Installation, _seconds: float) -> None:
    place.workers[0].kill()
    place.workers[0].restart_after_death()


def servers_terminated(place: Installation, _seconds: float) -> None:
    """SIGTERM to one server after the other, each restarted before the next, as in an upgrade."""
    for server in place.servers:
        server.stop()
        server.start()
        server.await_ready()


def workers_terminated(place: Installation, _seconds: float) -> None:
    for worker in place.workers:
        worker.stop()
        worker.start()
        worker.await_ready()


def servers_reloaded(place: Installation, seconds: float) -> None:
    """SIGHUP to one server after the other."""
    for server in place.servers:
        server.signalled(signal.SIGHUP)
        time.sleep(max(seconds / len(place.servers), 1.0))
        if not server.is_running:
            server.restart_after_death()
        server.await_ready()


# --- disks ----------------------------------------------------------------------------------------


def picture_disk_full(place: Installation, seconds: float) -> None:
    filler = place.media / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (65_536, 4096, 1):
            with suppress(OSError):
                while file.write(b"x" * size):
                    pass
    time.sleep(seconds)
    filler.unlink()


def log_disk_full(place: Installation, seconds: float) -> None:
    """The first server and worker log to a full disk, the others to a pipe that nobody reads.

    Every call is logged. All connections to the database are closed, so that there is more to log.
    """
    changed = {"ACCESS_LOG": "true", "LOG_LEVEL": "INFO"}
    pairs = list(zip(place.servers, place.workers, strict=True))
    with _full_file() as full, _unread_pipe() as unread:
        for pair, stderr in zip(pairs, (full, unread), strict=True):
            _restarted(pair, stderr, **changed)
        time.sleep(seconds / 2)
        close_all(place.primary)
        time.sleep(seconds / 2)
        for pair in pairs:
            _restarted(pair, None)


def _restarted(programs: Sequence[Program], stderr: int | None, **changed: str) -> None:
    for program in programs:
        program.signalled(signal.SIGTERM)
    for program in programs:
        program.wait()
        program.start(stderr=stderr, **changed)
    for program in programs:
        program.await_ready()


@contextmanager
def _full_file() -> Iterator[int]:
    """A file for which the disk has no space: `/dev/full` fails with ENOSPC as a full disk does."""
    descriptor = os.open("/dev/full", os.O_WRONLY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def _unread_pipe() -> Iterator[int]:
    reading, writing = os.pipe()
    try:
        fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, SMALLEST_PIPE)
        yield writing
    finally:
        os.close(writing)
        os.close(reading)


# --- clocks ---------------------------------------------------------------------------------------


def worker_clock_fast(place: Installation, seconds: float) -> None:
    worker = place.workers[0]
    worker.stop()
    worker.start(LD_PRELOAD=FAKETIME, FAKETIME=FAST_BY, FAKETIME_DONT_FAKE_MONOTONIC="1")
    worker.await_ready()
    time.sleep(seconds)
    worker.stop()
    worker.start()
    worker.await_ready()
