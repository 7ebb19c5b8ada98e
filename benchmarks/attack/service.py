"""The service under attack: `serve` with two processes and a private database in a temporary folder."""

import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil
import psycopg
from psycopg import sql

from benchmarks.attack.calls import encoded
from benchmarks.stacks import free_ports
from benchmarks.world import DATABASE, INHERITED, ROOT
from common.postgres.embedded import PORT, server_in
from common.rate_limits.policies import NAMES, OFF, setting_of

WORKERS = 2
START_TIMEOUT = 60  # seconds
STREAMS_OF_THE_BUSY = 1_000
FIRST_PLANNED = f"{1:024x}"
USERS = ("creator", "viewer", "busy", "attacker", "edge")

# Runs in the checkout under attack, which may be an older version.
CREATE_USERS = """
import json, sys
from django.contrib.auth.models import Permission
from django.utils import timezone
from accounts import services, tokens
now = timezone.now()
people = {}
for name in json.loads(%r):
    user = services.create_user(name, "correct horse battery staple", by=None, now=now)
    session = services.log_in(name, "correct horse battery staple", now=now)
    people[name] = {"id": str(user.pk), "token": str(tokens.AccessToken.of(session, now=now))}
user.user_permissions.add(Permission.objects.get(codename="enforce"))  # the last one serves a media edge
print(json.dumps(people))
"""


@dataclass(frozen=True, slots=True)
class Target:
    """The arguments of an attack: ports, people (`id` and `token` by name), and the database.

    `stream` is the creator's live stream, and `planned` one of the busy user's.
    """

    port: int
    people: dict[str, dict[str, str]]
    stream: str
    planned: str
    sockets: str
    postmaster: int
    proxy_port: int = 0

    def token(self, name: str) -> str:
        return self.people[name]["token"]

    def connect(self) -> psycopg.Connection[Any]:
        return psycopg.connect(host=self.sockets, user=DATABASE, dbname=DATABASE, autocommit=True)

    def ordinary_calls(self) -> list[tuple[str, bytes]]:
        """Names and requests of ordinary clients. Each is answered with 200."""
        viewer = self.token("viewer")
        join = json.dumps({"liveStreamId": self.stream}).encode()
        return [
            ("users/me", encoded("GET", "/api/v1/users/me", token=viewer)),
            ("stream read", encoded("GET", f"/api/v1/live-stream/{self.stream}", token=viewer)),
            ("live list", encoded("GET", "/api/v1/live-stream?status=active&limit=20", token=viewer)),
            ("join", encoded("POST", "/api/v1/live-stream/join", token=viewer, body=join)),
        ]

    def as_job(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Place:
    """The database with its users, and the checkout whose service uses it."""

    checkout: Path
    folder: Path
    sockets: Path
    environment: dict[str, str]
    people: dict[str, dict[str, str]]

    def connect(self) -> psycopg.Connection[Any]:
        return psycopg.connect(host=str(self.sockets), user=DATABASE, dbname=DATABASE, autocommit=True)

    @property
    def postmaster(self) -> int:
        return int((self.folder / "postgres" / "postmaster.pid").read_text().splitlines()[0])

    def resume(self) -> None:
        """Resume a database that an attack has suspended."""
        with suppress(psutil.NoSuchProcess):
            for process in family(psutil.Process(self.postmaster)):
                process.send_signal(signal.SIGCONT)


def family(process: psutil.Process) -> list[psutil.Process]:
    """The process and its descendants."""
    with suppress(psutil.NoSuchProcess):
        return [process, *process.children(recursive=True)]
    return []


def ended(process: psutil.Process) -> None:
    """Kill the process and its descendants. A process under attack may not react to SIGTERM."""
    for member in family(process):
        with suppress(psutil.NoSuchProcess):
            member.kill()


@contextmanager
def place(checkout: Path = ROOT) -> Iterator[Place]:
    """A database in a temporary folder, migrated and with a few users. It is removed afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="kumanda-attack-"))
    server = server_in(folder, owner=DATABASE)
    try:
        sockets = server.ensure_running()
        environment = _environment(folder, sockets)
        _manage(checkout, environment, "migrate", "--verbosity", "0")
        script = CREATE_USERS % json.dumps(USERS)
        printed = _manage(checkout, environment, "shell", "--no-imports", "--verbosity", "0", "-c", script)
        made = Place(checkout, folder, sockets, environment, json.loads(printed.splitlines()[-1]))
        try:
            yield made
        finally:
            made.resume()
    finally:
        server.stop_if_last()
        shutil.rmtree(folder, ignore_errors=True)


def _environment(folder: Path, sockets: Path) -> dict[str, str]:
    """The whole environment of the service. The caller's shell and the checkout's .env do not change it."""
    return {name: os.environ[name] for name in INHERITED if name in os.environ} | {
        "PGHOST": str(sockets),
        "PGPORT": PORT,
        "DATABASE_URL": f"postgresql://{DATABASE}@/{DATABASE}",
        "KUMANDA_DATA": str(folder),
        "SECRET_KEY": secrets.token_urlsafe(48),
        "JWT_SIGNING_KEY": secrets.token_urlsafe(48),
        "DEBUG": "false",
        "LOG_LEVEL": "CRITICAL",
        "ALLOWED_HOSTS": "127.0.0.1",
        "PUBLIC_URL": "http://127.0.0.1",
        "MEDIA_URL": "http://127.0.0.1/media/",
        "IDENTITY_ISSUER": "",
        "NOTIFICATION_CHANNELS": "",
        # Lets one machine attack from many addresses.
        "TRUSTED_PROXIES": "127.0.0.1",
        # The attacks must do no harm without the limits either, which many addresses would not meet.
        **dict.fromkeys(map(setting_of, NAMES), OFF),
    }


def _manage(checkout: Path, environment: dict[str, str], *command: str) -> str:
    line = [sys.executable, "manage.py", *command]
    done = subprocess.run(line, cwd=checkout, env=environment, check=False, capture_output=True, text=True, timeout=120)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command[:1])} failed:\n{done.stderr}")
    return done.stdout


@contextmanager
def running(place: Place) -> Iterator[tuple[psutil.Process, Target]]:
    """Start the service with this database. Yields its process and the target of attacks."""
    (port,) = free_ports(1)
    process = subprocess.Popen(
        [sys.executable, "manage.py", "serve", "--port", str(port), "--workers", str(WORKERS)],
        cwd=place.checkout,
        env=place.environment,
        stdin=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        _await(port, process)
        stream = _live_stream(port, place)
        yield (
            psutil.Process(process.pid),
            Target(port, place.people, stream, FIRST_PLANNED, str(place.sockets), place.postmaster),
        )
    finally:
        place.resume()
        ended(psutil.Process(process.pid))
        process.wait()


def _await(port: int, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"the service did not start: exit code {process.returncode}")
        with suppress(OSError, urllib.error.URLError):
            urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5).close()
            return
        time.sleep(0.1)
    raise RuntimeError(f"the service was not ready within {START_TIMEOUT} seconds")


def _live_stream(port: int, place: Place) -> str:
    """The creator's live stream. The first call creates it and the streams of the busy user."""
    with place.connect() as connection:
        found = connection.execute("SELECT encode(id, 'hex') FROM livestreams_livestream WHERE status = 'active'")
        if row := found.fetchone():
            return str(row[0])
        made = str(_asked(port, place, "creator", "/api/v1/live-stream/create", {"title": "Live"})["id"])
        _asked(port, place, "creator", f"/api/v1/live-stream/{made}/start", None)
        planned = {"title": "Planned", "plannedStartDate": "2090-01-01T00:00:00.000Z"}
        template = _asked(port, place, "busy", "/api/v1/live-stream/create", planned)["id"]
        _multiply(connection, template, STREAMS_OF_THE_BUSY)
    return made


def _asked(port: int, place: Place, name: str, path: str, body: Any) -> Any:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}{path}",
        b"" if body is None else json.dumps(body).encode(),
        {"Authorization": f"Bearer {place.people[name]['token']}", "Content-Type": "application/json"},
        method="POST",
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)["data"]


def _multiply(connection: psycopg.Connection[Any], template: str, times: int) -> None:
    """Insert copies of a stream, planned at intervals of an hour."""
    found = connection.execute(
        "SELECT column_name FROM information_schema.columns WHERE table_name = 'livestreams_livestream'"
        " AND is_generated = 'NEVER' ORDER BY ordinal_position"
    )
    columns = [name for (name,) in found]
    changed = {
        "id": sql.SQL("decode(lpad(to_hex(n), 24, '0'), 'hex')"),
        "channel_name": sql.SQL("'planned-' || n"),
        "planned_start_at": sql.SQL("now() + n * interval '1 hour'"),
    }
    connection.execute(
        sql.SQL(
            "INSERT INTO livestreams_livestream ({}) SELECT {} FROM livestreams_livestream, generate_series(1, {}) n"
            " WHERE id = {}"
        ).format(
            sql.SQL(", ").join(map(sql.Identifier, columns)),
            sql.SQL(", ").join(changed.get(name, sql.Identifier(name)) for name in columns),
            times,
            bytes.fromhex(template),
        )
    )
    connection.execute("ANALYZE livestreams_livestream")
