"""The data that every stack is asked about: its own PostgreSQL server, filled by COPY in a second or two."""

import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, LiteralString

import jwt
import psutil
import psycopg
from psycopg import sql

from common.postgres.embedded import PORT, server_in

DATABASE = "kumanda"
ROOT = Path(__file__).resolve().parent.parent
INHERITED = ("PATH", "HOME", "LANG", "TMPDIR")
HOST_SHARE = 10  # one user in ten has streams of their own

# Of a hundred streams half are over, many are planned, one is running.
MIX = (
    ["active"]
    + ["ended"] * 50
    + ["scheduled"] * 40
    + ["preparing"] * 2
    + ["cancelled_by_host"] * 3
    + ["cancelled_by_guest"]
    + ["expired"] * 3
)
INTERESTS = ("music", "sports", "cooking", "education", "gaming", None)
PRICES = (None, None, None, 49.9, 120)
MOTIVATION = "Her hafta aynı saatte, önce küçük bir söyleşi, ardından sizden gelen sorular ve istekler."


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
    """What was loaded. The `hosts` are the callers of all measured requests; none of them is banned anywhere."""

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
        """All that a stack is told. A variable of the caller's shell could make one stack serve as another."""
        return {name: os.environ[name] for name in INHERITED if name in os.environ} | {
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

    @property
    def server_process(self) -> psutil.Process:
        """PostgreSQL, whose processes are all children of this one."""
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
        """The stream while its start is planned for that moment, or for none."""
        change = "UPDATE livestreams_livestream SET planned_start_at = %s, status = %s WHERE id = %s"
        stream_id = bytes.fromhex(stream.id)
        with self.connect() as connection:
            found = connection.execute("SELECT planned_start_at FROM livestreams_livestream WHERE id = %s", [stream_id])
            ((planned,),) = found.fetchall()
            connection.execute(change, [moment, "scheduled" if moment else "preparing", stream_id])
            yield stream
            connection.execute(change, [planned, "scheduled", stream_id])

    @contextmanager
    def being_told(self, stream: Stream, *, minute: int) -> Iterator[Stream]:
        """The stream while those with this lead time are being told."""
        with self.connect() as connection:
            connection.execute(
                "INSERT INTO reminders_round (id, stream_id, kind, minute, planned_start_at, due_at, good_until, state,"
                " reminders, opened_at) SELECT id, id, 'reminder', %s, planned_start_at, now(), now(), 'open', 0, now()"
                " FROM livestreams_livestream WHERE id = %s",
                [minute, bytes.fromhex(stream.id)],
            )
            yield stream
            connection.execute("DELETE FROM reminders_round")

    def undo_cancels(self) -> int:
        """Make the streams that a measurement cancelled `scheduled` again, leaving no trace; their number."""
        return self._undo(
            "livestreams_livestream",
            "status = 'scheduled', updated_at = created_at, revision = 0 WHERE id = ANY(%s) AND status <> 'scheduled'",
            [stream.id for stream in self.having("scheduled")],
        )

    def undo_lifts(self) -> int:
        """Make the bans that a measurement lifted hold again, leaving no trace; their number."""
        return self._undo(
            "bans_livestreamban",
            "deleted_at = NULL, deleted_by_id = NULL, updated_at = created_at"
            " WHERE id = ANY(%s) AND deleted_at IS NOT NULL",
            [ban.id for ban in self.bans_in("holding")],
        )

    def undo_reminders(self) -> int:
        """Forget the reminders that a measurement set; their number."""
        with self._forcing() as connection:
            undone = connection.execute("SELECT FROM reminders_reminder").rowcount
            connection.execute("TRUNCATE reminders_reminder, reminders_leadtime")
            empty_audit_trail(connection)
        return undone

    def _undo(self, table: str, change: LiteralString, ids: list[str]) -> int:
        with self._forcing() as connection:
            undone = connection.execute(
                sql.SQL("UPDATE {} SET " + change).format(sql.Identifier(table)), [list(map(bytes.fromhex, ids))]
            ).rowcount
            connection.execute("TRUNCATE edges_revocation")
            empty_audit_trail(connection)
            connection.execute(sql.SQL("VACUUM (ANALYZE) {}").format(sql.Identifier(table)))
        return undone

    @contextmanager
    def _forcing(self) -> Iterator[psycopg.Connection[Any]]:
        """Rows are changed past their foreign keys and other triggers."""
        with self.connect() as connection:
            connection.execute("SET session_replication_role = replica")
            yield connection


@contextmanager
def world(*, users: int, streams: int, bans: int) -> Iterator[World]:
    """A server with `users`, `streams` and `bans` in a temporary folder, all of which is gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="kumanda-benchmark-"))
    server = server_in(folder, owner=DATABASE)
    try:
        loaded = _Loader(folder, server.ensure_running(), users=users, streams=streams, bans=bans).load()
        # What collectstatic makes in production.
        (folder / "static").mkdir()
        yield loaded
    finally:
        server.stop_if_last()
        shutil.rmtree(folder, ignore_errors=True)


def empty_audit_trail(connection: psycopg.Connection[Any]) -> None:
    """The audit trail refuses to be emptied; only here, where nobody's deeds are in it, is it forced."""
    with connection.transaction():
        connection.execute("ALTER TABLE common_auditentry DISABLE TRIGGER audit_trail_only_grows")
        connection.execute("TRUNCATE common_auditentry")
        connection.execute("ALTER TABLE common_auditentry ENABLE ALWAYS TRIGGER audit_trail_only_grows")


def object_id(kind: int, number: int, moment: datetime) -> bytes:
    return int(moment.timestamp()).to_bytes(4) + kind.to_bytes(5) + number.to_bytes(3)


class _Loader:
    def __init__(self, folder: Path, sockets: Path, *, users: int, streams: int, bans: int) -> None:
        self.folder, self.sockets = folder, sockets
        self.user_count, self.stream_count, self.ban_count = users, streams, bans
        self.now = datetime.now(UTC).replace(microsecond=123000)
        self.key = secrets.token_urlsafe(48)

    def load(self) -> World:
        people = [self.person(number) for number in range(self.user_count)]
        hosts = people[: self.user_count // HOST_SHARE]
        streams = [self.stream(number, hosts, people) for number in range(self.stream_count)]
        # Everybody who calls without being refused is a host.
        audience = people[len(hosts) : -3]
        bans = [self.ban(number, streams, audience) for number in range(self.ban_count)]
        loaded = World(self.folder, self.sockets, self.key, hosts, streams, bans, people[-1], people[-2], people[-3])
        subprocess.run(
            [sys.executable, "manage.py", "migrate", "--verbosity", "0"],
            cwd=ROOT,
            env=loaded.environment,
            check=True,
        )
        with loaded.connect() as connection:
            copy(connection, "accounts_media", map(self.photo_row, range(self.user_count)))
            copy(connection, "accounts_user", map(self.user_row, range(self.user_count)))
            copy(connection, "accounts_session", map(self.session_row, range(self.user_count)))
            copy(connection, "livestreams_livestream", map(self.stream_row, range(self.stream_count), streams))
            copy(connection, "bans_livestreamban", map(self.ban_row, range(self.ban_count), bans))
            connection.execute(
                "INSERT INTO accounts_user_groups (user_id, group_id)"
                " SELECT DISTINCT %s::bytea, held.group_id FROM auth_group_permissions held"
                " JOIN auth_permission p ON p.id = held.permission_id WHERE p.codename = 'moderate'",
                [bytes.fromhex(loaded.moderator.id)],
            )
            # The server's own zone comes from this shell; any but UTC costs Django a statement a connection.
            connection.execute(f"ALTER DATABASE {DATABASE} SET timezone = 'UTC'")
            connection.execute("VACUUM (ANALYZE)")
            connection.execute("CHECKPOINT")
        return loaded

    # --- people -----------------------------------------------------------------------------------

    def joined_at(self, number: int) -> datetime:
        return self.now - timedelta(days=400) + timedelta(minutes=number)

    def user_id(self, number: int) -> bytes:
        return object_id(1, number, self.joined_at(number))

    def photo_id(self, number: int) -> bytes:
        return object_id(2, number, self.joined_at(number))

    def session_id(self, number: int) -> bytes:
        return object_id(3, number, self.now)

    def person(self, number: int) -> Person:
        user_id = self.user_id(number).hex()
        claims = {
            "token_type": "access",
            "iss": "kumanda",
            "iat": int(self.now.timestamp()),
            "exp": int(self.now.timestamp()) + 3600,
            "jti": uuid.uuid4().hex,
            "sub": user_id,
            "sid": self.session_id(number).hex(),
        }
        return Person(user_id, jwt.encode(claims, self.key, algorithm="HS256"))

    def photo_row(self, number: int) -> dict[str, Any]:
        at = self.joined_at(number)
        return {
            "id": self.photo_id(number),
            "created_at": at,
            "updated_at": at,
            "type": "image",
            "file": f"photos/{number:022d}-full.webp",
            "variants": json.dumps({str(size): f"photos/{number:022d}-{size}.webp" for size in (40, 76, 160)}),
        }

    def user_row(self, number: int) -> dict[str, Any]:
        at = self.joined_at(number)
        return {
            "id": self.user_id(number),
            "password": "!",
            "username": f"kişi{number}",
            "username_key": f"kişi{number}",
            "name": "Ayşe" if number % 2 else "John",
            "surname": "Yılmaz" if number % 3 else "Smith",
            "names_folded": f"kisi{number} {'ayse' if number % 2 else 'john'} {'yilmaz' if number % 3 else 'smith'}",
            "email": f"{number}@example.com",
            "availability_status": ("available", "busy", "offline")[number % 3],
            "is_superuser": False,
            "is_staff": False,
            "is_active": number != self.user_count - 2,
            "created_at": at,
            "updated_at": at,
            "identity_issuer": "",
            "identity_subject": "",
            # One in ten has no picture yet.
            "profile_photo_id": None if number % 10 == 7 else self.photo_id(number),
        }

    def session_row(self, number: int) -> dict[str, Any]:
        return {
            "id": self.session_id(number),
            "user_id": self.user_id(number),
            "refresh_id": uuid.uuid4().hex,
            "created_at": self.now,
            "expires_at": self.now + timedelta(days=30),
            "ended_at": self.now if number == self.user_count - 1 else None,
        }

    # --- streams ----------------------------------------------------------------------------------

    def stream(self, number: int, hosts: Sequence[Person], people: Sequence[Person]) -> Stream:
        # The hundredth adds one, so that no two active streams (each hundredth) have the same creator.
        creator = hosts[(number * 7 + number // 100) % len(hosts)]
        guest = people[(number * 13 + 1) % len(people)]
        is_duo = number % 3 == 0 and guest is not creator
        stream_id = object_id(4, number, self.announced_at(number)).hex()
        return Stream(stream_id, MIX[number % 100], creator, guest.id if is_duo else None)

    def announced_at(self, number: int) -> datetime:
        return self.now - timedelta(minutes=3 * (self.stream_count - number))

    def stream_row(self, number: int, stream: Stream) -> dict[str, Any]:
        at = self.announced_at(number)
        has_started = stream.status in ("active", "ended")
        has_plan = stream.status == "scheduled" or number % 2 == 0
        return {
            "id": bytes.fromhex(stream.id),
            "created_at": at,
            "updated_at": at,
            "title": f"Akşam söyleşisi {number}",
            "title_folded": f"aksam soylesisi {number}",
            "type": "duocrowd" if stream.guest_id else "solo",
            "channel_name": f"aksam-soylesisi-{number}-x7k2",
            # One in five keeps the default picture.
            "thumbnail": f"thumbnails/{stream.id}.webp" if number % 5 else "",
            "status": stream.status,
            "price": PRICES[number % len(PRICES)],
            "interest": INTERESTS[number % len(INTERESTS)],
            "duration_goal": None if number % 4 == 0 else 60,
            "motivation": MOTIVATION if number % 2 else None,
            "planned_start_at": at + timedelta(days=60) if has_plan else None,
            "plan_set_at": at if has_plan else None,
            "revision": 0,
            "started_at": at + timedelta(minutes=10) if has_started else None,
            "ended_at": at + timedelta(minutes=70) if stream.status == "ended" else None,
            "creator_id": bytes.fromhex(stream.creator.id),
            "guest_id": bytes.fromhex(stream.guest_id) if stream.guest_id else None,
            "guest_status": "accepted" if stream.guest_id else None,
        }

    # --- bans -------------------------------------------------------------------------------------

    def ban(self, number: int, streams: Sequence[Stream], audience: Sequence[Person]) -> Ban:
        turn, of = divmod(number, len(streams))
        stream = streams[of]
        # Far enough apart that nobody is banned twice from one stream.
        first = of * 31 + turn * 7
        target = next(
            person
            for person in (audience[(first + step) % len(audience)] for step in range(7))
            if person.id != stream.guest_id
        )
        state = {3: "lifted", 6: "lapsed"}.get((number + number // 10) % 10, "holding")
        ban_id = object_id(5, number, self.banned_at(number)).hex()
        return Ban(ban_id, stream, target, "CHAT_ONLY" if number % 4 == 1 else "BLOCK", state)

    def banned_at(self, number: int) -> datetime:
        turn, of = divmod(number, self.stream_count)
        return self.announced_at(of) + timedelta(minutes=1, seconds=turn)

    def ban_row(self, number: int, ban: Ban) -> dict[str, Any]:
        at = self.banned_at(number)
        creator_id = bytes.fromhex(ban.stream.creator.id)
        ends = {"lapsed": at + timedelta(minutes=1), "holding": None if number % 2 else self.now + timedelta(days=30)}
        lifted_at = at + timedelta(seconds=30) if ban.state == "lifted" else None
        return {
            "id": bytes.fromhex(ban.id),
            "created_at": at,
            "updated_at": lifted_at or at,
            "deleted_at": lifted_at,
            "deleted_by_id": creator_id if lifted_at else None,
            "stream_id": bytes.fromhex(ban.stream.id),
            "target_id": bytes.fromhex(ban.target.id),
            "action_type": ban.action_type,
            "reason": None if number % 3 == 0 else "Sohbette ısrarla reklam yaptı.",
            "expires_at": ends.get(ban.state),
            "created_by_id": creator_id,
            "review": "unreviewed",
        }


def copy(connection: psycopg.Connection[Any], table: str, rows: Iterable[dict[str, Any]]) -> None:
    rows = iter(rows)
    first = next(rows)
    statement = sql.SQL("COPY {} ({}) FROM STDIN").format(
        sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, first))
    )
    with connection.cursor().copy(statement) as target:
        target.write_row(list(first.values()))
        for row in rows:
            target.write_row(list(row.values()))
