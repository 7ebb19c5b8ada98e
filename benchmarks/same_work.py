"""Proof before measuring: all stacks give equal answers, refuse alike and leave equal rows."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from psycopg.rows import dict_row

from benchmarks.load import Asked
from benchmarks.stacks import Running
from benchmarks.world import Person, Stream, World

PATH = "/api/v1/live-stream"
LIVE_NOW = f"{PATH}?status=active&limit=10"


class Unequal(Exception):
    """Two stacks do not do the same work, so comparing their speed would say nothing."""


def read_of(stream: Stream, by: Person) -> Asked:
    return Asked("GET", f"{PATH}/{stream.id}", by.token)


def live_now(by: Person) -> Asked:
    return Asked("GET", LIVE_NOW, by.token)


def streams_of(creator: Person, by: Person) -> Asked:
    return Asked("GET", f"{PATH}?creatorId={creator.id}&limit=10", by.token)


def cancel_of(stream: Stream, by: Person | None = None) -> Asked:
    return Asked("POST", f"{PATH}/{stream.id}/cancel", (by or stream.creator).token)


def check(world: World, servers: Sequence[Running]) -> int:
    """Compare all servers with the first one; the number of requests compared. Raises Unequal."""
    count = 0
    for asked, status in [*_answered(world), *_refused(world)]:
        _equal(asked, [_outcome(server, asked, status) for server in servers], servers)
        count += 1
    for asked in _cancels(world):
        outcomes = []
        for server in servers:
            outcomes.append({**_outcome(server, asked, 200), "rows": _rows_of(world, asked)})
            world.undo_cancels()
        _equal(asked, outcomes, servers)
        count += 1
    return count


def _answered(world: World) -> Iterator[tuple[Asked, int]]:
    caller = world.hosts[0]
    statuses = {stream.status for stream in world.streams}
    for status in sorted(statuses):
        # A few of each, so that every optional part is there once and missing once.
        for stream in world.having(status)[:10]:
            yield read_of(stream, caller), 200
        yield read_of(stream, stream.creator), 200
    for asked in (live_now(caller), streams_of(world.hosts[1], caller)):
        yield asked, 200
        yield replace(asked, path=asked.path.replace("limit=10", "limit=2&page=2")), 200


def _refused(world: World) -> Iterator[tuple[Asked, int]]:
    ended, scheduled = world.having("ended")[0], world.having("scheduled")[0]
    stranger = next(host for host in world.hosts if host.id not in (scheduled.creator.id, scheduled.guest_id))
    token = scheduled.creator.token
    forged = Person(stranger.id, token[:-6] + ("aaaaaa" if token[-6:] != "aaaaaa" else "bbbbbb"))
    for nobody in (forged, world.logged_out, world.deactivated, Person("", "")):
        yield read_of(scheduled, nobody), 401
        yield live_now(nobody), 401
        yield cancel_of(scheduled, nobody), 401
    unknown = replace(scheduled, id="f" * 24)
    yield read_of(unknown, stranger), 404
    yield cancel_of(unknown, stranger), 404
    yield cancel_of(scheduled, stranger), 403
    yield cancel_of(ended), 409


def _cancels(world: World) -> Iterator[Asked]:
    scheduled = world.having("scheduled")
    hosts = {host.id: host for host in world.hosts}
    yield cancel_of(scheduled[0])
    yield cancel_of(scheduled[1])
    for stream in scheduled:
        if stream.guest_id in hosts:
            yield cancel_of(stream, hosts[stream.guest_id])
            return


def _outcome(server: Running, asked: Asked, expected: int) -> dict[str, Any]:
    status, body = server.ask(asked)
    if status != expected:
        raise Unequal(
            f"{server.stack.title} answers {asked.method} {asked.path} with {status}, not {expected}: {body[:300]!r}"
        )
    answer: dict[str, Any] = json.loads(body)
    # Kumanda says more about a refusal than its first line; the measured requests are not refused.
    answer["errors"] = answer["errors"][:1]
    return {"body": _without_clock(answer, cancelled=asked.method == "POST")}


def _without_clock(answer: dict[str, Any], *, cancelled: bool) -> dict[str, Any]:
    """The answer without what the clock puts in."""
    del answer["timestamp"]
    if cancelled and answer["data"]:
        del answer["data"]["updatedAt"]
    return answer


def _rows_of(world: World, asked: Asked) -> dict[str, Any]:
    """The stream and the audit trail as the database has them after a cancel."""
    stream_id = bytes.fromhex(asked.path.split("/")[-2])
    with world.connect() as connection, connection.cursor(row_factory=dict_row) as cursor:
        stream = cursor.execute("SELECT * FROM livestreams_livestream WHERE id = %s", [stream_id]).fetchone()
        trail = cursor.execute("SELECT * FROM common_auditentry ORDER BY id").fetchall()
    if stream is None or stream.pop("updated_at") != trail[0]["at"]:
        raise Unequal("the stream and its audit row do not carry the same time")
    for entry in trail:
        if not entry.pop("request_id"):
            raise Unequal("an audit row names no request")
        del entry["id"], entry["at"]
    return {"stream": stream, "trail": trail}


def _equal(asked: Asked, outcomes: list[dict[str, Any]], servers: Sequence[Running]) -> None:
    for server, outcome in zip(servers, outcomes, strict=True):
        if outcome != outcomes[0]:
            difference = "\n".join(_differences(outcomes[0], outcome))
            raise Unequal(
                f"{asked.method} {asked.path}: {servers[0].stack.title} and {server.stack.title} differ:\n{difference}"
            )


def _differences(one: Any, other: Any, path: str = "") -> Iterator[str]:
    if isinstance(one, dict) and isinstance(other, dict):
        for name in one | other:
            yield from _differences(one.get(name, "missing"), other.get(name, "missing"), f"{path}.{name}")
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for at, (left, right) in enumerate(zip(one, other, strict=True)):
            yield from _differences(left, right, f"{path}[{at}]")
    elif one != other:
        yield f"  {path}: {one!r} and {other!r}"
