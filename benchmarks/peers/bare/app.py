"""The WSGI application."""

import uuid
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs

import orjson

from benchmarks.peers.bare.base import REASONS, Refused, caller, stream, wire_time
from benchmarks.peers.bare.changes import ban_user, cancel, join, lift, remind, start
from benchmarks.peers.bare.reads import bans_page, check, page, seen

PATH = "/api/v1/live-stream"
BANS = "/api/v1/live-stream-ban"
CHECK = f"{BANS}/check/"


def answered(environ: dict[str, Any], request_id: str) -> dict[str, Any]:
    now = datetime.now(UTC)
    user = caller(environ, now)
    path, query = environ["PATH_INFO"], parse_qs(environ["QUERY_STRING"])
    if path.startswith(CHECK):
        return check(user, bytes.fromhex(path[len(CHECK) :]), bytes.fromhex(query["liveStreamId"][0]), now)
    if path == BANS and environ["REQUEST_METHOD"] == "POST":
        return ban_user(user, sent(environ), now, request_id)
    if path == BANS:
        return bans_page(user, query, now)
    if path.startswith(BANS):
        return lift(user, bytes.fromhex(path[len(BANS) + 1 :]), now, request_id)
    if path == f"{PATH}/join":
        return join(user, bytes.fromhex(sent(environ)["liveStreamId"]), now)
    match path.removeprefix(PATH).split("/"):
        case [_, stream_id, "reminder"]:
            return remind(user, bytes.fromhex(stream_id), sent(environ).get("minute"), now, request_id)
        case [_, stream_id, "cancel"]:
            return cancel(user, bytes.fromhex(stream_id), now, request_id)
        case [_, stream_id, "start"]:
            return start(user, bytes.fromhex(stream_id), now, request_id)
        case [_, stream_id]:
            return stream(seen(user, bytes.fromhex(stream_id), now), user[0])
    return page(user, query)


def sent(environ: dict[str, Any]) -> dict[str, Any]:
    body: dict[str, Any] = orjson.loads(environ["wsgi.input"].read())
    return body


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    request_id = uuid.uuid4().hex
    is_new = environ["REQUEST_METHOD"] == "POST" and environ["PATH_INFO"] == BANS
    status = "201 Created" if is_new else "200 OK"
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
