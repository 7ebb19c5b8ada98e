"""The production server as real processes on this machine, over the database of the test."""

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
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from typing import Any
from urllib.parse import quote

import psycopg
from django.conf import settings
from django.db import connection
from psycopg import sql


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

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def call(self, method: str, path: str, *, token: str | None = None, body: Any = None) -> Answer:
        """One request on a connection of its own, so that any of the server's processes may get it."""
        connected = HTTPConnection("127.0.0.1", self.port, timeout=60)
        headers = {"Content-Type": "application/json"} if body is not None else {}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        try:
            connected.request(method, path, None if body is None else json.dumps(body), headers)
            response = connected.getresponse()
            return Answer(response.status, dict(response.getheaders()), response.read())
        finally:
            connected.close()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def database_url() -> str:
    """The address of the database of this test, for processes of their own."""
    place = connection.get_connection_params()
    user = quote(place.get("user", ""))
    if password := place.get("password"):
        user += f":{quote(password)}"
    host = str(place.get("host", "localhost"))
    # The folder of a socket stands in the path.
    where = f"/{quote(host)}" if host.startswith("/") else f"{host}:{place.get('port') or 5432}"
    return f"postgresql://{user}@{where}/{place['dbname']}"


@contextmanager
def running_server(*, workers: int = 2, **environment: str) -> Iterator[Server]:
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "manage.py", "serve", "--port", str(port), "--workers", str(workers)],
        cwd=settings.BASE_DIR,
        env=os.environ | {"DATABASE_URL": database_url()} | environment,
    )
    try:
        server = Server(port)
        _wait_until_ready(server, process)
        yield server
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=30)


def _wait_until_ready(server: Server, process: "subprocess.Popen[bytes]") -> None:
    for _ in range(300):
        assert process.poll() is None, "the server ended before it was ready"
        try:
            with urllib.request.urlopen(f"{server.url}/readyz", timeout=5):
                return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.1)
    raise AssertionError("the server did not become ready")


def without_database_url() -> dict[str, str]:
    """The environment of a process that shall use an embedded database of its own."""
    return {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}


@contextmanager
def lost_database() -> Iterator[None]:
    """The database of this test is gone for everybody while the block runs."""
    connection.ensure_connection()
    info = connection.connection.info
    name = sql.Identifier(info.dbname)
    with psycopg.connect(host=info.host, port=info.port, user=info.user, dbname="postgres", autocommit=True) as other:
        other.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(name))
        other.execute("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s", [info.dbname])
        try:
            yield
        finally:
            other.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS true").format(name))
