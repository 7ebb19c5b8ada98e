"""The connection, the caller, and the JSON of streams and bans."""

import os
import threading
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

import jwt
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
