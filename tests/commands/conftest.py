"""Fixtures that run commands as operators do: in a process, on the database of the tests."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from io import StringIO
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from tests.forking import manage
from tests.patience import PATIENCE
from tests.servers import database_url, direct_place, pooled_environment

type Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def place(transactional_db: None, tmp_path: Path) -> dict[str, str]:
    """The environment variables of a healthy installation."""
    return {
        "PATH": os.environ["PATH"],
        "DATABASE_URL": database_url(),
        **pooled_environment,
        "SECRET_KEY": "q8Zr2vN5xLw0TbY7cHj4KmP1sDf6GuE9aRiXoWnBtVzJyQhMlC",
        "JWT_SIGNING_KEY": "U3eK8pXy5RwZ1tNc7LqV0bHsMj4GdF9oAiT6nQzBrWm2YvElDkJx",
        "DEBUG": "false",
        "ALLOWED_HOSTS": "localhost",
        "PUBLIC_URL": "http://localhost:8000",
        "PRODUCTION_SERVER_URL": "https://api.example.com",
        "KUMANDA_DATA": str(tmp_path),
        "IDENTITY_ISSUER": "",
    }


@pytest.fixture
def pictures(settings: Any, place: dict[str, str]) -> Path:
    """The folder of pictures of the commands, which this process uses too."""
    settings.MEDIA_ROOT = Path(place["KUMANDA_DATA"]) / "media"
    return settings.MEDIA_ROOT


@pytest.fixture
def start(place: dict[str, str]) -> Iterator[Start]:
    """Starts a command. Keywords are environment variables."""
    started: list[subprocess.Popen[str]] = []

    def begin(*words: str, **variables: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            manage(*words),
            cwd=settings.BASE_DIR,
            env=place | variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            # A process that was started in the background may ignore SIGINT, and its children inherit that.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509
        )
        started.append(process)
        return process

    yield begin
    for process in started:
        process.kill()
        process.communicate()


type Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run(start: Start) -> Run:
    def finish(*words: str, **variables: str) -> subprocess.CompletedProcess[str]:
        process = start(*words, **variables)
        stdout, stderr = process.communicate(timeout=PATIENCE)
        return subprocess.CompletedProcess(words, process.returncode, stdout, stderr)

    return finish


# A process that waits for the table may hold the advisory lock of a stream, for which others wait.
_WAITING = """
    SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = database
    WHERE datname = current_database() AND NOT granted AND (relation = %s::regclass OR locktype = 'advisory')
"""


@contextmanager
def waiting_for(table: str, processes: int) -> Iterator[Callable[[], None]]:
    """Locks the table. The yielded function returns once so many processes wait, directly or indirectly."""
    with psycopg.connect(**direct_place()) as holder:
        holder.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")

        def wait_for_them() -> None:
            deadline = time.monotonic() + PATIENCE
            waiting = -1
            while waiting != processes:
                assert time.monotonic() < deadline, f"{waiting} of {processes} wait"
                time.sleep(0.05)
                row = holder.execute(_WAITING, [table]).fetchone()
                waiting = row[0] if row else 0

        yield wait_for_them


def waiting_for_streams(processes: int) -> AbstractContextManager[Callable[[], None]]:
    return waiting_for("livestreams_livestream", processes)


type Import = Callable[..., dict[str, Any]]


@pytest.fixture
def imported(tmp_path: Path) -> Import:
    """Imports the content as a file. Returns the facts, with `stderr` and the exit code as `code`."""

    def import_file(content: str | bytes, *words: str, name: str = "bans.ndjson") -> dict[str, Any]:
        file = tmp_path / name
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        output, errors = StringIO(), StringIO()
        code = 0
        try:
            call_command("import_bans", str(file), "--json", *words, stdout=output, stderr=errors)
        except CommandError as error:
            code = error.returncode
        facts: dict[str, Any] = json.loads(output.getvalue())
        return facts | {"stderr": errors.getvalue(), "code": code}

    return import_file
