"""`make restore-drill`: back up a million rows and pictures, restore them into an empty database, and compare both."""

import argparse
import hashlib
import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from benchmarks import report
from benchmarks.admin.rows import AdminSize, fill_for_admin
from benchmarks.growth.rows import Size
from benchmarks.report import say
from benchmarks.world import DATABASE, INHERITED, ROOT
from common.postgres.embedded import EmbeddedServer, server_in

ROWS = AdminSize(
    rows=Size(users=200_000, streams=200_000, bans=200_000, viewers=50_000, reminders=200_000, reports=100_000),
    evening=0,
    audited=300_000,
    rounds=0,  # some deliveries of rounds have failed, which doctor reports
)
PICTURES, PICTURE_BYTES = 5_000, 30_000
WORKER_STARTS_WITHIN = 120  # seconds
MEGABYTE = 1_048_576

INTRODUCTION = """# Restore drill

Written by `make restore-drill`."""


@dataclass
class Installation:
    """A database, a folder of pictures, and the environment of its commands."""

    folder: Path
    keys: dict[str, str]
    server: EmbeddedServer = field(init=False)

    def __post_init__(self) -> None:
        self.server = server_in(self.folder, owner=DATABASE)
        self.server.ensure_running()

    @property
    def environment(self) -> dict[str, str]:
        return (
            {name: os.environ[name] for name in INHERITED if name in os.environ}
            | {"KUMANDA_DATA": str(self.folder), "DATABASE_URL": "", "DEBUG": "false", "LOG_LEVEL": "WARNING"}
            | self.keys
        )

    def connect(self) -> psycopg.Connection[Any]:
        sockets = str(self.server.ensure_running())
        return psycopg.connect(host=sockets, user=DATABASE, dbname=DATABASE, autocommit=True)

    def run(self, *words: str) -> tuple[dict[str, Any], float]:
        """What a command prints with --json, and its seconds. Raises CalledProcessError."""
        began = time.perf_counter()
        finished = subprocess.run(
            [sys.executable, "manage.py", *words, "--json"],
            cwd=ROOT,
            env=self.environment,
            stdout=subprocess.PIPE,
            check=True,
        )
        return json.loads(finished.stdout), time.perf_counter() - began

    def migrate(self) -> None:
        command = [sys.executable, "manage.py", "migrate", "--verbosity", "0"]
        subprocess.run(command, cwd=ROOT, env=self.environment, check=True)

    @contextmanager
    def working(self) -> Iterator[None]:
        """While a worker runs."""
        worker = subprocess.Popen([sys.executable, "manage.py", "worker"], cwd=ROOT, env=self.environment)
        try:
            self._await_worker()
            yield
        finally:
            worker.terminate()
            worker.wait()

    def _await_worker(self) -> None:
        until = time.monotonic() + WORKER_STARTS_WITHIN
        with self.connect() as connection:
            while not connection.execute("SELECT FROM procrastinate_workers").fetchall():
                if time.monotonic() > until:
                    raise TimeoutError("the worker has not started")
                time.sleep(0.5)


# --- filling --------------------------------------------------------------------------------------


def fill(origin: Installation) -> None:
    """Rows as those of the benchmarks, pictures of the first streams, and seals of the audit trail."""
    origin.migrate()
    with origin.connect() as connection, connection.cursor() as cursor:
        fill_for_admin(cursor, ROWS)
        cursor.execute(
            "UPDATE livestreams_livestream SET thumbnail = 'thumbnails/' || encode(id, 'hex') || '.webp'"
            " WHERE id IN (SELECT id FROM livestreams_livestream ORDER BY id LIMIT %s) RETURNING thumbnail",
            [PICTURES],
        )
        for (name,) in cursor.fetchall():
            path = origin.folder / "media" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(os.urandom(PICTURE_BYTES))
        cursor.execute("VACUUM (ANALYZE)")
    origin.run("seal_audit_trail")


# --- comparing ------------------------------------------------------------------------------------


def digests(connection: psycopg.Connection[Any]) -> dict[str, tuple[int, str]]:
    """The number of rows, and a digest of all of them, by table. Rows are in the order of their text."""
    found = {}
    tables = connection.execute(
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')"
        " AND NOT relispartition AND relpersistence = 'p' ORDER BY relname"
    ).fetchall()
    for (table,) in tables:
        digest, rows = hashlib.sha256(), 0
        query = sql.SQL("SELECT t::text FROM {} AS t ORDER BY 1").format(sql.Identifier(table))
        with connection.transaction(), connection.cursor("rows") as cursor:
            cursor.itersize = 20_000
            for (text,) in cursor.execute(query):
                digest.update(text.encode())
                rows += 1
        found[table] = rows, digest.hexdigest()
    return found


def pictures(installation: Installation) -> dict[str, str]:
    folder = installation.folder / "media"
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*.webp")
        if path.is_file()
    }


def refuse_differences(before: dict[str, Any], after: dict[str, Any], *, but: Sequence[str] = ()) -> None:
    """Raises ValueError."""
    differing = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
    if set(differing) - set(but):
        raise ValueError(f"these differ: {', '.join(differing)}")


# --- the drill ------------------------------------------------------------------------------------


def drill(folder: Path) -> Iterator[list[str]]:
    """The rows of the report. Raises CalledProcessError, ValueError."""
    keys = {"SECRET_KEY": secrets.token_urlsafe(48), "JWT_SIGNING_KEY": secrets.token_urlsafe(48)}
    origin = Installation(folder / "origin", keys)
    say("Filling the database")
    fill(origin)
    with origin.connect() as connection:
        before, files = digests(connection), pictures(origin)
    rows = sum(count for count, _ in before.values())
    backups = str(folder / "backups")
    say(f"Backing up {rows:,} rows")
    made, seconds = origin.run("backup", "--folder", backups)
    with origin.connect() as connection:
        size = connection.execute("SELECT pg_database_size(current_database())").fetchall()[0][0]
    backup = Path(made["backup"])
    dump = (backup / "database.dump").stat().st_size
    yield ["rows, tables", f"{rows:,}", f"{len(before)}"]
    yield ["database", f"{size / MEGABYTE:,.0f} MB", "with its indexes"]
    yield ["dump", f"{dump / MEGABYTE:,.0f} MB", ""]
    yield ["pictures", f"{made['pictures']:,}", f"{(made['bytes'] - dump) / MEGABYTE:,.0f} MB"]
    yield ["`backup`", _minutes(seconds), ""]
    _, seconds = origin.run("backup", "--verify", str(backup))
    yield ["`backup --verify`", _minutes(seconds), ""]
    copy = Installation(folder / "copy", keys)
    say("Restoring")
    restored, seconds = copy.run("restore", str(backup))
    yield ["`restore`", _minutes(seconds), f"{len(restored['problems'])} problems"]
    with copy.connect() as connection:
        # The command has added its row to the audit trail, whose seals it has verified.
        refuse_differences(before, digests(connection), but=["common_auditentry"])
    refuse_differences(files, pictures(copy))
    _, seconds = copy.run("media", "check")
    yield ["`media check`", _minutes(seconds), "nothing found"]
    with copy.working():
        found, seconds = copy.run("doctor", "--audit")
    yield [
        "`doctor --audit`, with a worker",
        _minutes(seconds),
        f"{found['errors']} errors, {found['warnings']} warnings",
    ]
    for finding in found["findings"]:
        yield ["", finding["code"], finding["severity"]]


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.1f} min"


def main() -> int:
    argparse.ArgumentParser(prog="python -m benchmarks.restore_drill", description=__doc__).parse_args()
    report.interrupt_on_sigterm()
    load_before = report.load_before()
    folder = Path(tempfile.mkdtemp(prefix="kumanda-drill-"))
    try:
        rows = list(drill(folder))
    finally:
        for name in ("origin", "copy"):
            server_in(folder / name, owner=DATABASE).stop_if_last()
        shutil.rmtree(folder, ignore_errors=True)
    text = "\n\n".join([INTRODUCTION, report.table(["", "", ""], rows), report.machine(load_before)])
    print(text)
    report.write(text, "restore.md")
    return os.EX_OK


if __name__ == "__main__":
    sys.exit(main())
