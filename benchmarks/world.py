"""The benchmark data: one PostgreSQL server with people, streams and bans, which every measured stack serves."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, LiteralString

import psutil
import psycopg
from psycopg import sql

from common.postgres.embedded import PORT
from common.rate_limits.policies import LARGEST_QUOTA, LONGEST_WINDOW, NAMES, setting_of

DATABASE = "kumanda"
ROOT = Path(__file__).resolve().parent.parent
INHERITED = ("PATH", "HOME", "LANG", "TMPDIR")


# Rate limits are counted, and a few callers on one machine never meet them.
UNMET_LIMITS = {setting_of(name): f"{LARGEST_QUOTA}/{LONGEST_WINDOW}" for name in NAMES}


@dataclass(frozen=True, slots=True)
class Person:
    id: str
    token: str


@dataclass(frozen=True, slots=True)
class Stream:
    id: str
    status: str
    creator: Person
    guest_id: str | None

    @property
    def members(self) -> tuple[str | None, ...]:
        return self.creator.id, self.guest_id


@dataclass(frozen=True, slots=True)
class Ban:
    """`state` is holding, lapsed or lifted."""

    id: str
    stream: Stream
    target: Person
    action_type: str
    state: str


@dataclass(frozen=True)
class World:
    """The loaded data. The `hosts` send all measured requests; none of them is banned from any stream."""

    server_folder: Path
    sockets: Path
    signing_key: str
    hosts: list[Person]
    streams: list[Stream]
    bans: list[Ban]
    logged_out: Person
    deactivated: Person
    moderator: Person

    @property
    def environment(self) -> dict[str, str]:
        """The whole environment of a stack. Other variables are not inherited: some would change the stack."""
        return (
            {name: os.environ[name] for name in INHERITED if name in os.environ}
            | {
                "PYTHONPATH": str(ROOT),
                "PGHOST": str(self.sockets),
                "PGPORT": PORT,
                "DATABASE_URL": f"postgresql://{DATABASE}@/{DATABASE}",
                "KUMANDA_DATA": str(self.server_folder),
                "SECRET_KEY": self.signing_key[::-1],
                "JWT_SIGNING_KEY": self.signing_key,
                "DEBUG": "false",
                "LOG_LEVEL": "WARNING",
                "ALLOWED_HOSTS": "127.0.0.1",
                "PUBLIC_URL": "http://127.0.0.1",
                "MEDIA_URL": "http://127.0.0.1/media/",
                "IDENTITY_ISSUER": "",
                "CORS_ALLOWED_ORIGINS": "",
            }
            | UNMET_LIMITS
        )

    @property
    def server_process(self) -> psutil.Process:
        """The postmaster: all other processes of the PostgreSQL server are its children."""
        lines = (self.server_folder / "postgres" / "postmaster.pid").read_text().splitlines()
        return psutil.Process(int(lines[0]))

    def connect(self) -> psycopg.Connection[Any]:
        return psycopg.connect(host=str(self.sockets), user=DATABASE, dbname=DATABASE, autocommit=True)

    def having(self, status: str) -> list[Stream]:
        return [stream for stream in self.streams if stream.status == status]

    def bans_in(self, state: str) -> list[Ban]:
        return [ban for ban in self.bans if ban.state == state]

    @contextmanager
    def planned_at(self, stream: Stream, moment: datetime | None) -> Iterator[Stream]:
        """The stream while its planned start is `moment`, or while it has none."""
        change = "UPDATE livestreams_livestream SET planned_start_at = %s, status = %s WHERE id = %s"
        stream_id = bytes.fromhex(stream.id)
        with self.connect() as connection:
            found = connection.execute("SELECT planned_start_at FROM livestreams_livestream WHERE id = %s", [stream_id])
            ((planned,),) = found.fetchall()
            connection.execute(change, [moment, "scheduled" if moment else "preparing", stream_id])
            yield stream
            connection.execute(change, [planned, "scheduled", stream_id])

    @contextmanager
    def with_open_round(self, stream: Stream, *, minute: int) -> Iterator[Stream]:
        """The stream while the round of this lead time is open."""
        with self.connect() as connection:
            connection.execute(
                "INSERT INTO reminders_round (id, stream_id, kind, minute, planned_start_at, due_at, good_until, state,"
                " reminders, opened_at) SELECT id, id, 'reminder', %s, planned_start_at, now(), now(), 'open', 0, now()"
                " FROM livestreams_livestream WHERE id = %s",
                [minute, bytes.fromhex(stream.id)],
            )
            yield stream
            connection.execute("DELETE FROM reminders_round")

    def undo_changes(self) -> int:
        """Restore the streams that a measurement cancelled or started. Return their number."""
        return self._undo(
            "livestreams_livestream",
            "status = 'scheduled', started_at = NULL, updated_at = created_at, revision = 0"
            " WHERE id = ANY(%s) AND status <> 'scheduled'",
            [stream.id for stream in self.having("scheduled")],
        )

    def undo_lifts(self) -> int:
        """Restore the bans that a measurement lifted and empty the audit trail. Return their number."""
        return self._undo(
            "bans_livestreamban",
            "deleted_at = NULL, deleted_by_id = NULL, updated_at = created_at"
            " WHERE id = ANY(%s) AND deleted_at IS NOT NULL",
            [ban.id for ban in self.bans_in("holding")],
        )

    def undo_bans(self) -> int:
        """Delete the bans that a measurement made: those of hosts. Return their number."""
        with self._without_triggers() as connection:
            undone = connection.execute(
                "DELETE FROM bans_livestreamban WHERE target_id = ANY(%s)",
                [[bytes.fromhex(host.id) for host in self.hosts]],
            ).rowcount
            connection.execute("TRUNCATE edges_revocation")
            connection.execute("VACUUM (ANALYZE) bans_livestreamban")
            empty_audit_trail(connection)
        return undone

    def undo_joins(self) -> int:
        """Delete the participants of all streams. Return their number."""
        with self._without_triggers() as connection:
            undone = connection.execute("SELECT FROM edges_participant").rowcount
            connection.execute("TRUNCATE edges_participant")
            empty_audit_trail(connection)  # the first join makes a join key
        return undone

    def undo_reminders(self) -> int:
        """Delete the reminders that a measurement set. Return their number."""
        with self._without_triggers() as connection:
            undone = connection.execute("SELECT FROM reminders_reminder").rowcount
            connection.execute("TRUNCATE reminders_reminder, reminders_leadtime")
            empty_audit_trail(connection)
        return undone

    def _undo(self, table: str, change: LiteralString, ids: list[str]) -> int:
        with self._without_triggers() as connection:
            undone = connection.execute(
                sql.SQL("UPDATE {} SET " + change).format(sql.Identifier(table)), [list(map(bytes.fromhex, ids))]
            ).rowcount
            connection.execute("TRUNCATE edges_revocation")
            empty_audit_trail(connection)
            connection.execute(sql.SQL("VACUUM (ANALYZE) {}").format(sql.Identifier(table)))
        return undone

    @contextmanager
    def _without_triggers(self) -> Iterator[psycopg.Connection[Any]]:
        """A connection on which foreign keys and other triggers do not fire."""
        with self.connect() as connection:
            connection.execute("SET session_replication_role = replica")
            yield connection


def empty_audit_trail(connection: psycopg.Connection[Any]) -> None:
    """Empty the audit trail, whose trigger rejects TRUNCATE. Only for benchmark data."""
    with connection.transaction():
        found = connection.execute("SELECT relid::regclass::text FROM pg_partition_tree('common_auditentry')")
        tables = [name for (name,) in found]
        for table in tables:
            connection.execute(f"ALTER TABLE {table} DISABLE TRIGGER audit_trail_only_grows")
        connection.execute("TRUNCATE common_auditentry")
        for table in tables:
            connection.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER audit_trail_only_grows")
