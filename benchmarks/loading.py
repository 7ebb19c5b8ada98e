"""Loads the benchmark data into a new PostgreSQL server with COPY, which takes a second or two."""

import json
import secrets
import shutil
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
import psycopg
from psycopg import sql

from benchmarks.world import DATABASE, ROOT, Ban, Person, Stream, World
from common.postgres.embedded import server_in

HOST_SHARE = 10  # one user in ten is the creator of streams

# The statuses of a hundred streams.
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


@contextmanager
def world(*, users: int, streams: int, bans: int, checkout: Path = ROOT) -> Iterator[World]:
    """A server with `users`, `streams` and `bans` in a temporary folder, which is removed afterwards.

    The tables are those of `checkout`, which may be an older version.
    """
    folder = Path(tempfile.mkdtemp(prefix="kumanda-benchmark-"))
    server = server_in(folder, owner=DATABASE)
    try:
        loader = _Loader(folder, server.ensure_running(), users=users, streams=streams, bans=bans)
        loaded = loader.load(checkout)
        # In production collectstatic makes this folder.
        (folder / "static").mkdir()
        yield loaded
    finally:
        server.stop_if_last()
        shutil.rmtree(folder, ignore_errors=True)


def object_id(kind: int, number: int, moment: datetime) -> bytes:
    return int(moment.timestamp()).to_bytes(4) + kind.to_bytes(5) + number.to_bytes(3)


class _Loader:
    def __init__(self, folder: Path, sockets: Path, *, users: int, streams: int, bans: int) -> None:
        self.folder, self.sockets = folder, sockets
        self.user_count, self.stream_count, self.ban_count = users, streams, bans
        self.now = datetime.now(UTC).replace(microsecond=123000)
        self.key = secrets.token_urlsafe(48)

    def load(self, checkout: Path) -> World:
        people = [self.person(number) for number in range(self.user_count)]
        hosts = people[: self.user_count // HOST_SHARE]
        streams = [self.stream(number, hosts, people) for number in range(self.stream_count)]
        # Callers of successful requests are hosts, so hosts are never banned.
        audience = people[len(hosts) : -3]
        bans = [self.ban(number, streams, audience) for number in range(self.ban_count)]
        loaded = World(self.folder, self.sockets, self.key, hosts, streams, bans, people[-1], people[-2], people[-3])
        subprocess.run(
            [sys.executable, "manage.py", "migrate", "--verbosity", "0"],
            cwd=checkout,
            env=loaded.environment | {"PYTHONPATH": str(checkout)},
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
            # The server takes its time zone from this shell. With another one than UTC, Django sends an additional
            # statement for each connection.
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
            # One user in ten has no photo.
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
        # Every hundredth stream is active. The second summand gives active streams different creators.
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
            # One stream in five has the default thumbnail.
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
        lap, index = divmod(number, len(streams))
        stream = streams[index]
        # The offsets are large enough that nobody is banned twice from one stream.
        first = index * 31 + lap * 7
        target = next(
            person
            for person in (audience[(first + step) % len(audience)] for step in range(7))
            if person.id != stream.guest_id
        )
        state = {3: "lifted", 6: "lapsed"}.get((number + number // 10) % 10, "holding")
        ban_id = object_id(5, number, self.banned_at(number)).hex()
        return Ban(ban_id, stream, target, "CHAT_ONLY" if number % 4 == 1 else "BLOCK", state)

    def banned_at(self, number: int) -> datetime:
        lap, index = divmod(number, self.stream_count)
        return self.announced_at(index) + timedelta(minutes=1, seconds=lap)

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
