"""Requests that change something."""

import os
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import orjson
import psycopg
from cryptography.hazmat.primitives.asymmetric import ec

from benchmarks.peers import sql
from benchmarks.peers.bare.base import Refused, ban, connection, stream, wire_time
from benchmarks.peers.bare.reads import found_ban, moderates, seen

GRACE = timedelta(minutes=10)
TOKEN_SECONDS = 120
SIGNING_KEY = ec.generate_private_key(ec.SECP256R1())

type Row = tuple[Any, ...]


def lock_key(stream_id: bytes) -> int:
    """The key of the advisory lock of a stream."""
    return int.from_bytes(stream_id[-8:], signed=True)


def members(creator: bytes, guest: bytes | None, guest_status: str | None) -> tuple[bytes | None, ...]:
    return (creator,) if guest_status == "declined" else (creator, guest)


def new_id(now: datetime) -> bytes:
    return int(now.timestamp()).to_bytes(4) + os.urandom(8)


def states(before: dict[str, Any], after: dict[str, Any]) -> tuple[str, str]:
    return orjson.dumps(before).decode(), orjson.dumps(after).decode()


def stream_to_change(stream_id: bytes) -> Row:
    row = connection().execute(sql.STREAM, (stream_id,)).fetchone()
    if row is None:
        raise Refused("404 Not Found")
    return row


def locked_stream(stream_id: bytes) -> Row:
    connection().execute(sql.TAKE_LOCK, (lock_key(stream_id),))
    row = connection().execute(sql.LOCK, (stream_id,)).fetchone()
    if row is None or row[3] is not None:
        raise Refused("404 Not Found")
    return row


def refuse_awaited(stream_id: bytes) -> None:
    if connection().execute(sql.AWAITED, (stream_id,)).fetchone() is not None:
        # The changed streams have no reminders, so only this query is measured.
        raise Refused("501 Not Implemented")


def cancel(user: Row, stream_id: bytes, now: datetime, request_id: str) -> dict[str, Any]:
    found = stream_to_change(stream_id)
    if user[0] not in members(found[17], found[28], found[39]):
        raise Refused("403 Forbidden")
    with connection().transaction():
        row = locked_stream(stream_id)
        if user[0] not in members(row[9], row[10], row[22]):
            raise Refused("403 Forbidden")
        before, revision = row[12], row[19]
        if before not in ("scheduled", "preparing"):
            raise Refused("409 Conflict")
        after = "cancelled_by_guest" if user[0] == row[10] else "cancelled_by_host"
        at = max(now, row[2])
        noted = states({"status": before}, {"status": after})
        connection().execute(
            sql.CANCEL_AND_RECORD,
            (
                after,
                at,
                revision + 1,
                stream_id,
                at,
                *user[:2],
                "cancel_stream",
                "livestream",
                stream_id,
                *noted,
                request_id,
            ),
        )
        refuse_awaited(stream_id)
    return stream((*found[:5], after, *found[6:16], at, *found[17:]), user[0])


def start(user: Row, stream_id: bytes, now: datetime, request_id: str) -> dict[str, Any]:
    found = stream_to_change(stream_id)
    if user[0] != found[17]:
        raise Refused("403 Forbidden")
    try:
        with connection().transaction():
            row = locked_stream(stream_id)
            before, revision = row[12], row[19]
            if before not in ("scheduled", "preparing"):
                raise Refused("409 Conflict")
            at = max(now, row[2])
            noted = states({"status": before, "started_at": None}, {"status": "active", "started_at": now})
            target = ("start_stream", "livestream", stream_id)
            connection().execute(
                sql.START_AND_RECORD,
                ("active", now, at, revision + 1, stream_id, at, *user[:2], *target, *noted, request_id),
            )
            refuse_awaited(stream_id)
    except psycopg.errors.UniqueViolation as error:
        raise Refused("409 Conflict") from error
    return stream((*found[:5], "active", *found[6:11], now, *found[12:16], at, *found[17:]), user[0])


def join(user: Row, stream_id: bytes, now: datetime) -> dict[str, Any]:
    row = seen(user, stream_id, now)
    if row[5] != "active":
        raise Refused("409 Conflict")
    wire = stream(row, user[0])
    connection().execute(sql.JOINED, (new_id(now), stream_id, user[0], now, now))
    issued_at = int(now.timestamp())
    claims = {
        "iss": os.environ["PUBLIC_URL"],
        "aud": "media",
        "sub": user[0].hex(),
        "stream": stream_id.hex(),
        "role": wire["role"],
        "grants": ["watch"] if row[-1] else ["watch", "chat"],
        "jti": uuid.uuid4().hex,
        "iat": issued_at,
        "exp": issued_at + TOKEN_SECONDS,
    }
    token = jwt.encode(claims, SIGNING_KEY, algorithm="ES256", headers={"kid": "bare"})
    expires_at = wire_time(datetime.fromtimestamp(issued_at + TOKEN_SECONDS, UTC))
    return {"liveStream": wire, "token": token, "role": wire["role"], "expiresAt": expires_at}


def ban_user(user: Row, asked: dict[str, Any], now: datetime, request_id: str) -> dict[str, Any]:
    stream_id, target_id = bytes.fromhex(asked["liveStreamId"]), bytes.fromhex(asked["targetUserId"])
    found = connection().execute(sql.CREATOR, (stream_id,)).fetchone()
    if found is None:
        raise Refused("404 Not Found")
    if user[0] != found[0] and not moderates(user):
        raise Refused("403 Forbidden")
    with connection().transaction():
        row = locked_stream(stream_id)
        if row[12] not in ("scheduled", "preparing", "active"):
            raise Refused("409 Conflict")
        target = connection().execute(sql.TARGET, (now, stream_id, target_id)).fetchone()
        if target is None:
            raise Refused("404 Not Found")
        protected, is_banned = target[-2:]
        if protected or target_id in (user[0], *members(row[9], row[10], row[22])):
            raise Refused("403 Forbidden")
        if is_banned:
            raise Refused("409 Conflict")
        ban_id, kind, reason = new_id(now), asked["actionType"], asked["reason"]
        after = {
            "stream_id": stream_id.hex(),
            "target_id": target_id.hex(),
            "action_type": kind,
            "reason": reason,
            "expires_at": None,
            "deleted_at": None,
            "review": "unreviewed",
        }
        connection().execute(
            sql.BAN_AND_RECORD,
            (
                *(ban_id, now, now, stream_id, target_id, kind, reason, user[0]),
                *(now, *user[:2], "ban_user", "livestreamban", ban_id, *states({}, after), request_id),
                *(now, stream_id, [target_id], [kind], [None], stream_id.hex()),
            ),
        )
    return ban(found_ban(ban_id))


def remind(user: Row, stream_id: bytes, minute: int | None, now: datetime, request_id: str) -> dict[str, Any]:
    ask = connection().execute
    with connection().transaction():
        ask(sql.SHARE_LOCK, (lock_key(stream_id),))
        row = ask(sql.STREAM_TO_REMIND_OF, (user[0], now, user[0], stream_id)).fetchone()
        if row is None:
            raise Refused("404 Not Found")
        status, planned, plan_set_at, is_notified, restriction = row
        if restriction is not None and restriction["action"] == "BLOCK":
            raise Refused("403 Forbidden")
        if status not in ("scheduled", "preparing") or (minute and planned is None):
            raise Refused("409 Conflict")
        moment = planned - timedelta(minutes=minute) if minute and planned else None
        if moment and moment <= now:
            raise Refused("400 Bad Request")
        values = {
            "id": new_id(now),
            "stream": stream_id,
            "user": user[0],
            "minute": minute,
            "lead": minute or 0,
            "planned": planned,
            "language": "en",
            "now": now,
        }
        ((written, old_minute, old_language, taken),) = ask(sql.SET, values).fetchall()
        if taken and written is None:
            raise Refused("400 Bad Request")
        if written is not None:
            before = {"minute": old_minute, "language": old_language} if old_language else {}
            noted = states(before, {"stream_id": stream_id.hex(), "minute": minute, "language": "en"})
            ask(sql.RECORD, (now, *user[:2], "set_reminder", "reminder", written, *noted, request_id))
    missed = moment is not None and max(moment, plan_set_at or moment) + GRACE < now
    waits = "MISSED" if missed else "SCHEDULED" if minute else "ARMED_ON_START"
    return {
        "streamId": stream_id.hex(),
        "minute": minute,
        "mode": "BEFORE_START" if minute else "ON_START",
        "scheduledFor": wire_time(moment),
        "status": "SENT" if is_notified else waits,
    }


def lift(user: Row, ban_id: bytes, now: datetime, request_id: str) -> dict[str, Any]:
    found = found_ban(ban_id)
    if user[0] != found[-1] and not moderates(user):
        raise Refused("403 Forbidden")
    stream_id = found[1]
    ask = connection().execute
    with connection().transaction():
        ask(sql.TAKE_LOCK, (lock_key(stream_id),))
        row = ask(sql.LOCK_BAN, (ban_id, stream_id)).fetchone()
        if row is None:
            raise Refused("404 Not Found")
        if row[3] is not None:
            raise Refused("409 Conflict")
        at = max(now, row[2])
        noted = states({"deleted_at": None, "deleted_by_id": None}, {"deleted_at": at, "deleted_by_id": user[0].hex()})
        pending = ask(
            sql.LIFT_AND_RECORD,
            (
                *(at, at, user[0], ban_id),
                *(at, *user[:2], "lift_ban", "livestreamban", ban_id, *noted, request_id),
                *(at, stream_id, [row[6]], ["LIFTED"], [None], stream_id.hex()),
                ban_id,
            ),
        )
        if pending.fetchone() is not None:
            # The lifted bans have no appeals, so only this query is measured.
            raise Refused("501 Not Implemented")
    return ban((*found[:5], at, user[0], found[7], at, *found[9:]))
