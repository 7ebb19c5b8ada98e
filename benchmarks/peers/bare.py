"""The upper limit: a plain WSGI callable without a framework. It checks the token and runs the SQL that Kumanda runs.

Everything that the measured requests do not need is missing: validation of input, translated refusals, other
methods and paths.
"""

import os
import threading
import uuid
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qs

import jwt
import orjson
import psycopg

from benchmarks.peers import sql

KEY = os.environ["JWT_SIGNING_KEY"]
MEDIA_URL = os.environ["MEDIA_URL"]
DEFAULT_THUMBNAIL = os.environ["PUBLIC_URL"] + "/static/livestreams/default-thumbnail.webp"
PATH = "/api/v1/live-stream"
BANS = "/api/v1/live-stream-ban"
CHECK = f"{BANS}/check/"
GRACE = timedelta(minutes=10)

REASONS = {
    "400 Bad Request": "Validation failed",
    "401 Unauthorized": "Authentication required",
    "403 Forbidden": "Insufficient permissions",
    "404 Not Found": "Resource not found",
    "409 Conflict": "Resource already exists or cannot be changed in its current state",
    "501 Not Implemented": "Not implemented",
}


class Refused(Exception):
    """Answer with this status line."""


_local = threading.local()


def connection() -> psycopg.Connection[Any]:
    """The connection of this thread. Statements are prepared at first use, as in Kumanda."""
    if not hasattr(_local, "connection"):
        _local.connection = psycopg.connect(user="kumanda", dbname="kumanda", autocommit=True, prepare_threshold=1)
    return _local.connection


@lru_cache(maxsize=10_000)
def signed(token: str) -> dict[str, Any]:
    claims: dict[str, Any] = jwt.decode(
        token, KEY, algorithms=["HS256"], issuer="kumanda", options={"require": ["exp", "sub", "sid"]}
    )
    if claims.get("token_type") != "access":
        raise jwt.InvalidTokenError
    return claims


def caller(environ: dict[str, Any], now: datetime) -> tuple[Any, ...]:
    try:
        claims = signed(environ["HTTP_AUTHORIZATION"].removeprefix("Bearer "))
    except (KeyError, jwt.PyJWTError) as error:
        raise Refused("401 Unauthorized") from error
    if claims["exp"] <= now.timestamp():
        raise Refused("401 Unauthorized")
    keys = (bytes.fromhex(claims["sub"]), bytes.fromhex(claims["sid"]))
    user = connection().execute(sql.USER, keys).fetchone()
    if user is None:
        raise Refused("401 Unauthorized")
    return user


# --- JSON -------------------------------------------------------------------------------------


def wire_time(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat(timespec="milliseconds")[:23] + "Z"


def person(row: tuple[Any, ...]) -> dict[str, Any]:
    return {
        "_id": row[0].hex(),
        "username": row[1],
        "name": row[2],
        "surname": row[3],
        "profilePhoto": row[5]
        and {
            "_id": row[5].hex(),
            "url": MEDIA_URL + row[6],
            "type": row[7],
            "variants": {size: MEDIA_URL + file for size, file in row[8].items()},
            "createdAt": wire_time(row[9]),
            "updatedAt": wire_time(row[10]),
        },
        "availabilityStatus": row[4],
    }


def stream(row: tuple[Any, ...], user_id: bytes) -> dict[str, Any]:
    planned, minutes = row[10], row[8]
    creator = person(row[17:28])
    guests = [person(row[28:39])] if row[28] else []
    declined = row[39] == "declined"
    role = "host" if user_id == row[17] else "guest" if user_id == row[28] and not declined else "audience"
    return {
        "id": row[0].hex(),
        "title": row[1],
        "liveStreamType": row[2],
        "channelName": row[3],
        "creator": creator,
        "guests": guests,
        "broadcasters": [
            {"user": creator, "role": "host"},
            *({"user": guest, "role": "guest"} for guest in guests if not declined),
        ],
        "thumbnailUrl": MEDIA_URL + row[4] if row[4] else DEFAULT_THUMBNAIL,
        "status": row[5],
        "accessType": "paid" if row[6] else "free",
        "price": row[6] and float(row[6]),
        "interest": row[7],
        "durationGoal": minutes,
        "motivation": row[9],
        "plannedStartDate": wire_time(planned),
        "plannedEndDate": wire_time(planned + timedelta(minutes=minutes)) if planned and minutes else None,
        "startedAt": wire_time(row[11]),
        "endedAt": wire_time(row[12]),
        "guestStatus": row[39],
        "role": role,
        "deletedAt": wire_time(row[13]),
        "deletedBy": row[14] and row[14].hex(),
        "createdAt": wire_time(row[15]),
        "updatedAt": wire_time(row[16]),
    }


def ban(row: tuple[Any, ...]) -> dict[str, Any]:
    return {
        "_id": row[0].hex(),
        "targetUserId": row[10].hex(),
        "targetUser": person(row[10:21]),
        "liveStreamId": row[1].hex(),
        "actionType": row[2],
        "reason": row[3],
        "createdBy": row[4].hex(),
        "deletedAt": wire_time(row[5]),
        "deletedBy": row[6] and row[6].hex(),
        "createdAt": wire_time(row[7]),
        "updatedAt": wire_time(row[8]),
        "expiresAt": wire_time(row[9]),
    }


# --- requests ---------------------------------------------------------------------------------


def read(user: tuple[Any, ...], stream_id: bytes) -> dict[str, Any]:
    row = connection().execute(sql.STREAM, (stream_id,)).fetchone()
    if row is None:
        raise Refused("404 Not Found")
    return stream(row, user[0])


def seen(user: tuple[Any, ...], stream_id: bytes, now: datetime) -> dict[str, Any]:
    row = connection().execute(sql.SEEN, (now, user[0], stream_id)).fetchone()
    if row is None:
        raise Refused("404 Not Found")
    if row[-1] is not None and row[-1]["action"] == "BLOCK":
        raise Refused("403 Forbidden")
    return stream(row, user[0])


def page(user: tuple[Any, ...], query: dict[str, list[str]]) -> dict[str, Any]:
    values = [bytes.fromhex(creator) for creator in query.get("creatorId", [])]
    statement = sql.BY_CREATOR if values else sql.by_status(query["status"][0])
    return paged(statement, values * 2, query, lambda row: stream(row, user[0]))


def paged(
    statement: str, values: Sequence[Any], query: dict[str, list[str]], written: Callable[[Any], dict[str, Any]]
) -> dict[str, Any]:
    number, limit = int(query.get("page", ["1"])[0]), int(query.get("limit", ["10"])[0])
    offset = (number - 1) * limit
    statement = f"{statement} LIMIT {limit + 1:d}" + (f" OFFSET {offset:d}" if offset else "")
    rows = connection().execute(statement, values).fetchall()
    total = min(rows[0][-1], sql.EXACT_UP_TO) if rows else 0
    return {
        "list": [written(row) for row in rows[:limit]],
        "pagination": {
            "currentPage": number,
            "totalPages": -(-total // limit),
            "totalItems": total,
            "itemsPerPage": limit,
            "hasNextPage": len(rows) > limit,
            "hasPrevPage": number > 1,
        },
    }


def lock_key(stream_id: bytes) -> int:
    """The key of the advisory lock of a stream."""
    return int.from_bytes(stream_id[-8:], signed=True)


def members(creator: bytes, guest: bytes | None, guest_status: str | None) -> tuple[bytes | None, ...]:
    return (creator,) if guest_status == "declined" else (creator, guest)


def cancel(user: tuple[Any, ...], stream_id: bytes, now: datetime, request_id: str) -> dict[str, Any]:
    people = connection().execute(sql.CREATOR_AND_GUEST, (stream_id,)).fetchone()
    if people is None:
        raise Refused("404 Not Found")
    if user[0] not in members(*people[1:]):
        raise Refused("403 Forbidden")
    with connection().transaction():
        connection().execute(sql.TAKE_LOCK, (lock_key(stream_id),))
        row = connection().execute(sql.LOCK, (stream_id,)).fetchone()
        if row is None or row[3] is not None:
            raise Refused("404 Not Found")
        if user[0] not in members(row[9], row[10], row[22]):
            raise Refused("403 Forbidden")
        before, revision = row[12], row[19]
        if before not in ("scheduled", "preparing"):
            raise Refused("409 Conflict")
        after = "cancelled_by_guest" if user[0] == row[10] else "cancelled_by_host"
        at = max(now, row[2])
        connection().execute(sql.CANCEL, (after, at, revision + 1, stream_id))
        states = (orjson.dumps({"status": before}).decode(), orjson.dumps({"status": after}).decode())
        connection().execute(sql.RECORD, (at, *user[:2], "cancel_stream", "livestream", stream_id, *states, request_id))
        if connection().execute(sql.AWAITED, (stream_id,)).fetchone() is not None:
            # The cancelled streams have no reminders, so only this query is measured.
            raise Refused("501 Not Implemented")
    return read(user, stream_id)


def remind(
    user: tuple[Any, ...], stream_id: bytes, minute: int | None, now: datetime, request_id: str
) -> dict[str, Any]:
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
            "id": int(now.timestamp()).to_bytes(4) + os.urandom(8),
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
            after = {"stream_id": stream_id.hex(), "minute": minute, "language": "en"}
            states = (orjson.dumps(before).decode(), orjson.dumps(after).decode())
            ask(sql.RECORD, (now, *user[:2], "set_reminder", "reminder", written, *states, request_id))
    missed = moment is not None and max(moment, plan_set_at or moment) + GRACE < now
    waits = "MISSED" if missed else "SCHEDULED" if minute else "ARMED_ON_START"
    return {
        "streamId": stream_id.hex(),
        "minute": minute,
        "mode": "BEFORE_START" if minute else "ON_START",
        "scheduledFor": wire_time(moment),
        "status": "SENT" if is_notified else waits,
    }


def found_ban(ban_id: bytes) -> tuple[Any, ...]:
    row = connection().execute(sql.BAN, (ban_id,)).fetchone()
    if row is None:
        raise Refused("404 Not Found")
    return row


def moderates(user: tuple[Any, ...]) -> bool:
    return bool(user[3]) or connection().execute(sql.MODERATES, (user[0],)).fetchone() is not None


def check(user: tuple[Any, ...], target_id: bytes, stream_id: bytes, now: datetime) -> dict[str, Any]:
    values = (user[0], user[0], now, stream_id, target_id, stream_id)
    row = connection().execute(sql.CHECKED, values).fetchone()
    if row is None:
        raise Refused("404 Not Found")
    creator_id, may_ask, ban_id = row
    if not may_ask and user[0] not in (creator_id, target_id):
        raise Refused("403 Forbidden")
    return {"isBanned": ban_id is not None, "ban": None if ban_id is None else ban(found_ban(ban_id))}


def bans_page(user: tuple[Any, ...], query: dict[str, list[str]], now: datetime) -> dict[str, Any]:
    if moderates(user):
        return paged(sql.ALL_BANS, (now, now), query, ban)
    return paged(sql.BANS_OF_CREATOR, (now, user[0], now, user[0]), query, ban)


def lift(user: tuple[Any, ...], ban_id: bytes, now: datetime, request_id: str) -> dict[str, Any]:
    if user[0] != found_ban(ban_id)[-1] and not moderates(user):
        raise Refused("403 Forbidden")
    ask = connection().execute
    with connection().transaction():
        held = ask(sql.STREAM_OF, (ban_id,)).fetchone()
        if held is None:
            raise Refused("404 Not Found")
        (stream_id,) = held
        ask(sql.TAKE_LOCK, (lock_key(stream_id),))
        ask(sql.LOCK, (stream_id,)).fetchone()
        row = ask(sql.LOCK_BAN, (ban_id,)).fetchone()
        if row is None:
            raise Refused("404 Not Found")
        if row[3] is not None:
            raise Refused("409 Conflict")
        at = max(now, row[2])
        ask(sql.LIFT, (at, at, user[0], ban_id))
        states = (
            orjson.dumps({"deleted_at": None, "deleted_by_id": None}).decode(),
            orjson.dumps({"deleted_at": at, "deleted_by_id": user[0].hex()}).decode(),
        )
        ask(sql.RECORD, (at, *user[:2], "lift_ban", "livestreamban", ban_id, *states, request_id))
        ask(sql.REVOKE, (stream_id, at, [row[6]], ["LIFTED"], [None], stream_id.hex()))
        if ask(sql.PENDING, (ban_id,)).fetchone() is not None:
            # The lifted bans have no appeals, so only this query is measured.
            raise Refused("501 Not Implemented")
    return ban(found_ban(ban_id))


def answered(environ: dict[str, Any], request_id: str) -> dict[str, Any]:
    now = datetime.now(UTC)
    user = caller(environ, now)
    path, query = environ["PATH_INFO"], parse_qs(environ["QUERY_STRING"])
    if path.startswith(CHECK):
        return check(user, bytes.fromhex(path[len(CHECK) :]), bytes.fromhex(query["liveStreamId"][0]), now)
    if path == BANS:
        return bans_page(user, query, now)
    if path.startswith(BANS):
        return lift(user, bytes.fromhex(path[len(BANS) + 1 :]), now, request_id)
    parts = path.removeprefix(PATH).split("/")
    if len(parts) == 3 and parts[2] == "reminder":
        asked = orjson.loads(environ["wsgi.input"].read())
        return remind(user, bytes.fromhex(parts[1]), asked.get("minute"), now, request_id)
    if len(parts) == 3:
        return cancel(user, bytes.fromhex(parts[1]), now, request_id)
    if len(parts) == 2:
        return seen(user, bytes.fromhex(parts[1]), now)
    return page(user, query)


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    request_id = uuid.uuid4().hex
    status = "200 OK"
    data: dict[str, Any] | None = None
    errors: list[str] = []
    try:
        data = answered(environ, request_id)
    except Refused as refusal:
        status = str(refusal)
        errors = [REASONS[status]]
    body = orjson.dumps(
        {
            "isSuccess": not errors,
            "statusCode": int(status[:3]),
            "data": data,
            "errors": errors,
            "timestamp": wire_time(datetime.now(UTC)),
        }
    )
    headers = [
        ("Content-Type", "application/json"),
        ("Content-Length", str(len(body))),
        ("X-Request-ID", request_id),
    ]
    start_response(status, headers)
    return [body]
