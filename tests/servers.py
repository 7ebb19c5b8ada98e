"""The production server as processes on this machine, with the database of the test."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote

import psutil
import psycopg
from django.conf import settings
from django.db import OperationalError, connection
from psycopg import sql

from benchmarks.stacks import await_port
from common.direct import direct_connection
from common.rate_limits.policies import NAMES, OFF, setting_of
from tests.patience import PATIENCE, wait_until


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Server:
    port: int
    process: "subprocess.Popen[bytes] | None" = None  # of `serve`

    def signal(self, number: int) -> None:
        """Send a signal to `serve`."""
        assert self.process is not None
        self.process.send_signal(number)

    def ended(self) -> int:
        """Wait until `serve` has ended. Returns its exit code."""
        assert self.process is not None
        return self.process.wait(timeout=PATIENCE)

    def stop(self) -> None:
        """Stop it as systemd does."""
        self.signal(signal.SIGTERM)
        assert self.ended() == 0

    def accepting(self) -> list[int]:
        """The pids of the server processes that accept calls, in order."""
        assert self.process is not None
        found = []
        for process in psutil.Process(self.process.pid).children():
            with suppress(psutil.Error):
                sockets = process.net_connections("tcp")
                if any(each.laddr.port == self.port and each.status == psutil.CONN_LISTEN for each in sockets):
                    found.append(process.pid)
        return sorted(found)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def call(self, method: str, path: str, *, token: str | None = None, body: Any = None, **named: str) -> Answer:
        """Send one request on a new connection, so that any process of the server may accept it.

        `named` are further headers, with _ instead of -.
        """
        headers = {"Content-Type": "application/json"} if body is not None else {}
        headers |= {name.replace("_", "-"): value for name, value in named.items()}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        return self.send(method, path, None if body is None else json.dumps(body).encode(), headers)

    def send(self, method: str, path: str, raw: bytes | None, headers: Mapping[str, str]) -> Answer:
        connected = HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            connected.request(method, path, raw, dict(headers))
            response = connected.getresponse()
            return Answer(response.status, dict(response.getheaders()), response.read())
        finally:
            connected.close()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for_port(port: int) -> None:
    await_port(port, seconds=PATIENCE)


# What a process needs beside DATABASE_URL when that leads through a pooler: see tests/poolers.py.
pooled_environment: dict[str, str] = {}


def direct_place() -> dict[str, Any]:
    """The parameters of a connection to the database of this test, past a pooler."""
    return direct_connection().get_connection_params()


def url_of(place: Mapping[str, Any]) -> str:
    user = quote(place.get("user", ""))
    if password := place.get("password"):
        user += f":{quote(password)}"
    host = str(place.get("host", "localhost"))
    # The folder of a socket is part of the path.
    where = f"/{quote(host)}" if host.startswith("/") else f"{host}:{place.get('port') or 5432}"
    return f"postgresql://{user}@{where}/{place['dbname']}"


def database_url() -> str:
    """The URL of the database of this test, for other processes."""
    return url_of(connection.get_connection_params())


# Tests call more often than any app; those of the limits set some of these again.
UNLIMITED = dict.fromkeys(map(setting_of, NAMES), OFF)


@contextmanager
def running_server(
    *, workers: int = 2, database: str | None = "", log: str = "", **environment: str
) -> Iterator[Server]:
    """Run `serve` with the database of this test or with `database`. With None, it uses its own embedded database.

    `log` is the path of a file for its standard error; by default it has that of the test.
    """
    with serving(free_port(), settings.BASE_DIR, environment, workers=workers, database=database, log=log) as server:
        yield server


@contextmanager
def serving(
    port: int,
    home: Path,
    environment: Mapping[str, str],
    *,
    workers: int = 1,
    database: str | None = "",
    log: str = "",
) -> Iterator[Server]:
    """The same with the checkout in the folder `home`, on a port that was chosen before."""
    with (
        Path(log).open("ab") if log else nullcontext() as stderr,
        started_server(port, home, environment, workers=workers, database=database, stderr=stderr) as server,
    ):
        _wait_until_ready(server, workers)
        yield server


@contextmanager
def started_server(
    port: int,
    home: Path,
    environment: Mapping[str, str],
    *,
    workers: int = 1,
    database: str | None = "",
    stderr: IO[bytes] | None = None,
) -> Iterator[Server]:
    """The same, which may not be ready yet. `stderr` is where it logs, if not where this process does."""
    place = without_database_url() if database is None else with_database_url(database)
    process = subprocess.Popen(
        [sys.executable, str(home / "manage.py"), "serve", "--port", str(port), "--workers", str(workers)],
        cwd=home,
        env=place | UNLIMITED | dict(environment),
        stderr=stderr,
    )
    try:
        yield Server(port, process)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=PATIENCE)


def _wait_until_ready(server: Server, workers: int) -> None:
    """Return when all server processes accept calls, and one is ready."""

    def is_ready() -> bool:
        assert server.process is not None
        assert server.process.poll() is None, "the server ended before it was ready"
        if len(server.accepting()) < workers:
            return False
        with suppress(urllib.error.URLError, ConnectionError, TimeoutError):
            urllib.request.urlopen(f"{server.url}/readyz", timeout=5).close()
            return True
        return False

    wait_until(is_ready)


def with_database_url(database: str = "") -> dict[str, str]:
    """The environment of a process that uses the database of this test, or `database`."""
    return os.environ | pooled_environment | {"DATABASE_URL": database or database_url()}


def without_database_url() -> dict[str, str]:
    """The environment of a process that uses its own embedded database."""
    return {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}


@contextmanager
def _superuser() -> Iterator[tuple[psycopg.Connection, str]]:
    """A connection to another database of the same server, and the name of the database of this test."""
    place = direct_place()
    address = {name: place[name] for name in ("host", "port", "user", "password") if name in place}
    with psycopg.connect(**address, dbname="postgres", autocommit=True) as other:
        yield other, place["dbname"]


def _terminate(other: psycopg.Connection, name: str) -> None:
    other.execute("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s", [name])


def terminated_connections() -> None:
    """The server closes every connection to the database of this test and accepts new ones."""
    with _superuser() as (other, name):
        connection.close()
        _terminate(other, name)


@contextmanager
def lost_database() -> Iterator[None]:
    """Nobody can connect to the database of this test inside the block."""
    with _superuser() as (other, dbname):
        name = sql.Identifier(dbname)
        other.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(name))
        _terminate(other, dbname)
        try:
            yield
        finally:
            other.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS true").format(name))
            if pooled_environment:
                _await_pooler()


def _await_pooler() -> None:
    """Return when a pooler has connections again: it pauses for a second after it failed to open one."""
    until = time.monotonic() + PATIENCE
    while True:
        connection.close()
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1")
        except OperationalError:
            assert time.monotonic() < until
            time.sleep(0.1)
        else:
            return
