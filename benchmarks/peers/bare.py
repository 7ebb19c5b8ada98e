"""The limit: a plain WSGI callable that checks the token and runs the SQL that Kumanda runs. No framework.

What a service needs beyond the measured requests (validation of input, refusals in two languages, other methods,
other addresses) is not here.
"""

import os
import threading
import uuid
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qs

import jwt
import orjson
import psycopg

KEY = os.environ["JWT_SIGNING_KEY"]
MEDIA_URL = os.environ["MEDIA_URL"]
DEFAULT_THUMBNAIL = os.environ["PUBLIC_URL"] + "/static/livestreams/default-thumbnail.webp"
PATH = "/api/v1/live-stream"

USER = """
    SELECT u.id, u.username, u.is_staff, u.is_superuser, u.is_active, u.identity_issuer
    FROM accounts_user u JOIN accounts_session s ON s.user_id = u.id
    WHERE u.is_active AND u.id = %s AND s.ended_at IS NULL AND s.id = %s
"""
COLUMNS = """
    s.id, s.title, s.type, s.channel_name, s.thumbnail, s.status, s.price, s.interest, s.duration_goal,
    s.motivation, s.planned_start_at, s.started_at, s.ended_at, s.deleted_at, s.deleted_by_id, s.created_at,
    s.updated_at,
    c.id, c.username, c.name, c.surname, c.availability_status,
    cp.id, cp.file, cp.type, cp.variants, cp.created_at, cp.updated_at,
    g.id, g.username, g.name, g.surname, g.availability_status,
    gp.id, gp.file, gp.type, gp.variants, gp.created_at, gp.updated_at
"""
FROM = """
    FROM livestreams_livestream s
    JOIN accounts_user c ON c.id = s.creator_id LEFT JOIN accounts_media cp ON cp.id = c.profile_photo_id
    LEFT JOIN accounts_user g ON g.id = s.guest_id LEFT JOIN accounts_media gp ON gp.id = g.profile_photo_id
"""
STREAM = f"SELECT {COLUMNS} {FROM} WHERE s.deleted_at IS NULL AND s.id = %s"
PAGE = """
    SELECT {columns}, (SELECT count(id) FROM livestreams_livestream t WHERE t.deleted_at IS NULL AND t.{filter} = %s)
    {tables} WHERE s.deleted_at IS NULL AND s.{filter} = %s ORDER BY s.created_at DESC, s.id DESC LIMIT %s OFFSET %s
"""
BY_STATUS = PAGE.format(columns=COLUMNS, tables=FROM, filter="status")
BY_CREATOR = PAGE.format(columns=COLUMNS, tables=FROM, filter="creator_id")
AT_THE_DOOR = "SELECT id, creator_id, guest_id FROM livestreams_livestream WHERE deleted_at IS NULL AND id = %s"
LOCK = """
    SELECT id, created_at, updated_at, deleted_at, deleted_by_id, title, title_folded, type, channel_name, creator_id,
        guest_id, thumbnail, status, price, interest, duration_goal, motivation, planned_start_at, started_at, ended_at
    FROM livestreams_livestream WHERE id = %s FOR NO KEY UPDATE
"""
CANCEL = "UPDATE livestreams_livestream SET status = %s, updated_at = %s WHERE id = %s"
RECORD = """
    INSERT INTO common_auditentry
        (at, door, actor_id, actor_name, action, target_type, target_id, before, after, reason, request_id)
    VALUES (%s, 'api', %s, %s, 'cancel_stream', 'livestream', %s, %s::jsonb, %s::jsonb, '', %s)
"""

REASONS = {
    "401 Unauthorized": "Authentication required",
    "403 Forbidden": "Insufficient permissions",
    "404 Not Found": "Resource not found",
    "409 Conflict": "Resource already exists or cannot be changed in its current state",
}


class Refused(Exception):
    """Answered with this status line."""


_local = threading.local()


def connection() -> psycopg.Connection[Any]:
    """This thread's connection; its statements are prepared at their first use, as Kumanda's are."""
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
    user = connection().execute(USER, keys).fetchone()
    if user is None:
        raise Refused("401 Unauthorized")
    return user


# --- the wire -------------------------------------------------------------------------------------


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
    role = "host" if user_id == row[17] else "guest" if user_id == row[28] else "audience"
    return {
        "id": row[0].hex(),
        "title": row[1],
        "liveStreamType": row[2],
        "channelName": row[3],
        "creator": creator,
        "guests": guests,
        "broadcasters": [
            {"user": creator, "role": "host"},
            *({"user": guest, "role": "guest"} for guest in guests),
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
        "role": role,
        "deletedAt": wire_time(row[13]),
        "deletedBy": row[14] and row[14].hex(),
        "createdAt": wire_time(row[15]),
        "updatedAt": wire_time(row[16]),
    }


# --- the requests ---------------------------------------------------------------------------------


def read(user: tuple[Any, ...], stream_id: bytes) -> dict[str, Any]:
    row = connection().execute(STREAM, (stream_id,)).fetchone()
    if row is None:
        raise Refused("404 Not Found")
    return stream(row, user[0])


def page(user: tuple[Any, ...], query: dict[str, list[str]]) -> dict[str, Any]:
    number, limit = int(query.get("page", ["1"])[0]), int(query.get("limit", ["10"])[0])
    value: bytes | str
    if "creatorId" in query:
        statement, value = BY_CREATOR, bytes.fromhex(query["creatorId"][0])
    else:
        statement, value = BY_STATUS, query["status"][0]
    rows = connection().execute(statement, (value, value, limit + 1, (number - 1) * limit)).fetchall()
    total = rows[0][-1] if rows else 0
    return {
        "list": [stream(row, user[0]) for row in rows[:limit]],
        "pagination": {
            "currentPage": number,
            "totalPages": -(-total // limit),
            "totalItems": total,
            "itemsPerPage": limit,
            "hasNextPage": len(rows) > limit,
            "hasPrevPage": number > 1,
        },
    }


def cancel(user: tuple[Any, ...], stream_id: bytes, now: datetime, request_id: str) -> dict[str, Any]:
    door = connection().execute(AT_THE_DOOR, (stream_id,)).fetchone()
    if door is None:
        raise Refused("404 Not Found")
    if user[0] not in door[1:]:
        raise Refused("403 Forbidden")
    with connection().transaction():
        row = connection().execute(LOCK, (stream_id,)).fetchone()
        if row is None or row[3] is not None:
            raise Refused("404 Not Found")
        before = row[12]
        if before not in ("scheduled", "preparing"):
            raise Refused("409 Conflict")
        after = "cancelled_by_guest" if user[0] == row[10] else "cancelled_by_host"
        at = max(now, row[2])
        connection().execute(CANCEL, (after, at, stream_id))
        states = (orjson.dumps({"status": before}).decode(), orjson.dumps({"status": after}).decode())
        connection().execute(RECORD, (at, user[0], user[1], stream_id, *states, request_id))
    return read(user, stream_id)


def answered(environ: dict[str, Any], request_id: str) -> dict[str, Any]:
    now = datetime.now(UTC)
    user = caller(environ, now)
    parts = environ["PATH_INFO"].removeprefix(PATH).split("/")
    if len(parts) == 3:
        return cancel(user, bytes.fromhex(parts[1]), now, request_id)
    if len(parts) == 2:
        return read(user, bytes.fromhex(parts[1]))
    return page(user, parse_qs(environ["QUERY_STRING"]))


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
