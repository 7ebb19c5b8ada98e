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
from pathlib import Path
from typing import Any
from urllib.parse import quote

from django.conf import settings
from django.db import connection


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


def environment_of_the_test_database() -> dict[str, str]:
    """What a process of its own needs to use the database of this test."""
    connection.ensure_connection()
    info = connection.connection.info
    host = quote(info.host)
    return os.environ | {"DATABASE_URL": f"postgres://{info.user}@/{host}/{info.dbname}"}


@contextmanager
def running_server(*, workers: int = 2, **environment: str) -> Iterator[Server]:
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "manage.py", "serve", "--port", str(port), "--workers", str(workers)],
        cwd=settings.BASE_DIR,
        env=environment_of_the_test_database() | environment,
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


def manage(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """A management command as a process of its own, over the database of the test."""
    return subprocess.run(
        [sys.executable, str(Path(settings.BASE_DIR) / "manage.py"), *arguments],
        cwd=settings.BASE_DIR,
        env=environment_of_the_test_database() | environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def without_database_url() -> dict[str, str]:
    """The environment of a process that shall use an embedded database of its own."""
    return {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
