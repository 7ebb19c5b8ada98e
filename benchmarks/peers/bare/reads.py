"""Requests that read."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from benchmarks.peers import sql
from benchmarks.peers.bare.base import Refused, ban, connection, stream


def seen(user: tuple[Any, ...], stream_id: bytes, now: datetime) -> tuple[Any, ...]:
    """The row of the stream; its last value is the restriction of the caller."""
    row = connection().execute(sql.SEEN, (now, user[0], stream_id)).fetchone()
    if row is None:
        raise Refused("404 Not Found")
    if row[-1] is not None and row[-1]["action"] == "BLOCK":
        raise Refused("403 Forbidden")
    return row


def page(user: tuple[Any, ...], query: dict[str, list[str]]) -> dict[str, Any]:
    values = [bytes.fromhex(creator) for creator in query.get("creatorId", [])]
    statement = sql.BY_CREATOR if values else sql.by_status(query["status"][0])
    return paged(statement, values * 2, query, lambda row: stream(row, user[0]))


def paged(
    statement: sql.Page, values: Sequence[Any], query: dict[str, list[str]], written: Callable[[Any], dict[str, Any]]
) -> dict[str, Any]:
    number, limit = int(query.get("page", ["1"])[0]), int(query.get("limit", ["10"])[0])
    rows = connection().execute(statement.limited(limit + 1, (number - 1) * limit), values).fetchall()
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
