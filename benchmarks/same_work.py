"""Checks before measuring that all stacks return equal bodies and errors and write equal rows."""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Any

import jwt
from psycopg.rows import dict_row

from benchmarks.load import Asked
from benchmarks.stacks import Running
from benchmarks.world import Ban, Person, Stream, World
from common.times import wire_time

PATH = "/api/v1/live-stream"
LIVE_NOW = f"{PATH}?status=active&limit=10"
BANS = "/api/v1/live-stream-ban"


class Unequal(Exception):
    """Two stacks do not do the same work, so their speed cannot be compared."""


def read_of(stream: Stream, by: Person) -> Asked:
    return Asked("GET", f"{PATH}/{stream.id}", by.token)


def live_now(by: Person) -> Asked:
    return Asked("GET", LIVE_NOW, by.token)


def streams_of(creator: Person, by: Person) -> Asked:
    return Asked("GET", f"{PATH}?creatorId={creator.id}&limit=10", by.token)


def cancel_of(stream: Stream, by: Person | None = None) -> Asked:
    return Asked("POST", f"{PATH}/{stream.id}/cancel", (by or stream.creator).token)


def start_of(stream: Stream, by: Person | None = None) -> Asked:
    return Asked("POST", f"{PATH}/{stream.id}/start", (by or stream.creator).token)


def join_of(stream: Stream, by: Person) -> Asked:
    return Asked("POST", f"{PATH}/join", by.token, json.dumps({"liveStreamId": stream.id}))


def ban_of(stream: Stream, target: Person, by: Person | None = None, action_type: str = "BLOCK") -> Asked:
    wanted = {
        "targetUserId": target.id,
        "liveStreamId": stream.id,
        "actionType": action_type,
        "reason": "Spam in the chat",
    }
    return Asked("POST", BANS, (by or stream.creator).token, json.dumps(wanted))


def check_of(target: Person, stream: Stream, by: Person | None = None) -> Asked:
    return Asked("GET", f"{BANS}/check/{target.id}?liveStreamId={stream.id}", (by or stream.creator).token)


def bans_of(creator: Person) -> Asked:
    return Asked("GET", f"{BANS}?limit=10", creator.token)


def lift_of(ban: Ban, by: Person | None = None) -> Asked:
    return Asked("DELETE", f"{BANS}/{ban.id}", (by or ban.stream.creator).token)


def remind_of(stream: Stream, by: Person, minute: int | None = 15) -> Asked:
    return Asked("POST", f"{PATH}/{stream.id}/reminder", by.token, json.dumps({"minute": minute}))


def check(world: World, servers: Sequence[Running]) -> int:
    """Compare all servers with the first one. Return the number of requests compared. Raises Unequal."""
    count = 0
    asking = chain(
        _answered(world),
        _answered_about_bans(world),
        _refused(world),
        _refused_about_bans(world),
        _refused_changes(world),
        _refused_reminders(world),
    )
    for asked, status in asking:
        _equal(asked, [_outcome(server, asked, status) for server in servers], servers)
        count += 1
    with world.connect() as listening:
        listening.execute("LISTEN edges_revocations")
        for asked in (*_cancels(world), *_starts(world), *_lifts(world), *_new_bans(world)):
            outcomes = []
            for server in servers:
                outcome = _outcome(server, asked, 201 if asked.path == BANS else 200)
                payloads = [received.payload for received in listening.notifies(timeout=0.05)]
                outcomes.append({**outcome, "rows": _rows_of(world, asked), "notify": payloads})
                world.undo_changes()
                world.undo_lifts()
                world.undo_bans()
            _equal(asked, outcomes, servers)
            count += 1
    for asked in _joins(world):
        outcomes = []
        for server in servers:
            first, again = _outcome(server, asked, 200), _outcome(server, asked, 200)
            outcomes.append({"first": first, "again": again, "participants": _participants(world)})
            world.undo_joins()
        _equal(asked, outcomes, servers)
        count += 2
    for asked in _reminders(world):
        outcomes = []
        for server in servers:
            before = _outcome(server, replace(asked, body=json.dumps({"minute": 30})), 200)
            first = _rows_of_reminders(world)
            after = _outcome(server, asked, 200)
            outcomes.append({"before": before, "first": first, "after": after, "then": _rows_of_reminders(world)})
            world.undo_reminders()
        _equal(asked, outcomes, servers)
        count += 2
    return count


def _answered(world: World) -> Iterator[tuple[Asked, int]]:
    caller = world.hosts[0]
    statuses = {stream.status for stream in world.streams}
    for status in sorted(statuses):
        # A few of each status, so that every optional value is present once and absent once.
        for stream in world.having(status)[:10]:
            yield read_of(stream, caller), 200
        yield read_of(stream, stream.creator), 200
    for asked in (live_now(caller), streams_of(world.hosts[1], caller)):
        yield asked, 200
        yield replace(asked, path=asked.path.replace("limit=10", "limit=2&page=2")), 200


def _answered_about_bans(world: World) -> Iterator[tuple[Asked, int]]:
    for state in ("holding", "lapsed", "lifted"):
        for ban in world.bans_in(state)[:10]:
            is_blocked = state == "holding" and ban.action_type == "BLOCK"
            yield read_of(ban.stream, ban.target), 403 if is_blocked else 200
            yield check_of(ban.target, ban.stream), 200
            yield check_of(ban.target, ban.stream, ban.target), 200
            yield check_of(world.hosts[0], ban.stream), 200
            yield check_of(ban.target, ban.stream, world.moderator), 200
    yield bans_of(world.bans[0].target), 200  # an empty list: they have no streams
    for caller in (*world.hosts[:3], world.moderator):
        yield bans_of(caller), 200
        yield replace(bans_of(caller), path=f"{BANS}?limit=2&page=2"), 200


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


def _refused_about_bans(world: World) -> Iterator[tuple[Asked, int]]:
    ban = next(ban for ban in world.bans_in("holding") if ban.stream.creator is not world.hosts[0])
    stranger = world.hosts[0]
    for nobody in (world.logged_out, world.deactivated, Person("", "")):
        yield check_of(ban.target, ban.stream, nobody), 401
        yield bans_of(nobody), 401
        yield lift_of(ban, nobody), 401
    yield check_of(ban.target, ban.stream, stranger), 403
    yield check_of(ban.target, replace(ban.stream, id="f" * 24)), 404
    yield lift_of(ban, stranger), 403
    yield lift_of(ban, ban.target), 403
    yield lift_of(replace(ban, id="f" * 24)), 404
    yield lift_of(world.bans_in("lifted")[0]), 409


def _refused_changes(world: World) -> Iterator[tuple[Asked, int]]:
    """Of starting, joining and banning."""
    active, ended, scheduled = (world.having(status)[0] for status in ("active", "ended", "scheduled"))
    stranger = next(host for host in world.hosts if host.id not in scheduled.members)
    unknown = replace(scheduled, id="f" * 24)
    for nobody in (world.logged_out, world.deactivated, Person("", "")):
        yield start_of(scheduled, nobody), 401
        yield join_of(active, nobody), 401
        yield ban_of(scheduled, stranger, nobody), 401
    yield start_of(unknown), 404
    yield start_of(scheduled, stranger), 403
    yield start_of(ended), 409
    is_live = {stream.creator.id for stream in world.having("active")}
    yield start_of(next(stream for stream in world.having("scheduled") if stream.creator.id in is_live)), 409
    yield join_of(unknown, stranger), 404
    yield join_of(ended, ended.creator), 409
    held = next(ban for ban in world.bans_in("holding") if ban.action_type == "BLOCK")
    yield join_of(held.stream, held.target), 403
    on_open = next(ban for ban in world.bans_in("holding") if ban.stream.status == "scheduled")
    yield ban_of(on_open.stream, on_open.target), 409
    yield ban_of(unknown, stranger), 404
    yield ban_of(scheduled, replace(stranger, id="f" * 24)), 404
    yield ban_of(scheduled, scheduled.creator), 403
    yield ban_of(scheduled, world.moderator), 403
    yield ban_of(scheduled, world.hosts[0], stranger), 403
    yield ban_of(ended, stranger), 409


def _refused_reminders(world: World) -> Iterator[tuple[Asked, int]]:
    caller = world.hosts[0]
    chosen = iter(world.having("scheduled"))
    ended, scheduled = world.having("ended")[0], next(chosen)
    for nobody in (world.logged_out, world.deactivated, Person("", "")):
        yield remind_of(scheduled, nobody), 401
    yield remind_of(replace(scheduled, id="f" * 24), caller), 404
    yield remind_of(ended, caller), 409
    blocked = next(
        ban for ban in world.bans_in("holding") if ban.action_type == "BLOCK" and ban.stream.status == "scheduled"
    )
    yield remind_of(blocked.stream, blocked.target), 403
    with world.planned_at(next(chosen), None) as unplanned:
        yield remind_of(unplanned, caller), 409
    with world.planned_at(next(chosen), datetime.now(UTC) + timedelta(minutes=10)) as soon:
        yield remind_of(soon, caller), 400
    with world.with_open_round(next(chosen), minute=15) as due:
        yield remind_of(due, caller), 400


def _reminders(world: World) -> Iterator[Asked]:
    """Each replaces a reminder with a lead time of thirty minutes."""
    scheduled, caller = world.having("scheduled")[0], world.hosts[0]
    for minute in (15, 0, None, 30, 10_080):
        yield remind_of(scheduled, caller, minute)
    muted = next(
        ban for ban in world.bans_in("holding") if ban.action_type != "BLOCK" and ban.stream.status == "scheduled"
    )
    yield remind_of(muted.stream, muted.target)


def _starts(world: World) -> Iterator[Asked]:
    is_live = {stream.creator.id for stream in world.having("active")}
    yield from [start_of(stream) for stream in world.having("scheduled") if stream.creator.id not in is_live][:3]


def _joins(world: World) -> Iterator[Asked]:
    """Not of invited guests, who accept by joining."""
    active = world.having("active")
    for stream in active[:3]:
        yield join_of(stream, next(host for host in world.hosts if host.id not in stream.members))
        yield join_of(stream, stream.creator)
    muted = [ban for ban in world.bans_in("holding") if ban.action_type != "BLOCK" and ban.stream.status == "active"]
    yield from [join_of(ban.stream, ban.target) for ban in muted[:2]]


def _new_bans(world: World) -> Iterator[Asked]:
    scheduled, active = world.having("scheduled")[0], world.having("active")[0]
    target = next(host for host in world.hosts if host.id not in scheduled.members + active.members)
    yield ban_of(scheduled, target)
    yield ban_of(scheduled, target, world.moderator)
    yield ban_of(active, target, world.moderator, "CHAT_ONLY")


def _lifts(world: World) -> Iterator[Asked]:
    for action_type in ("BLOCK", "CHAT_ONLY"):
        bans = [ban for ban in world.bans_in("holding") if ban.action_type == action_type]
        yield lift_of(bans[0])
        yield lift_of(bans[1], world.moderator)


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
    # Kumanda adds reasons to the first line of a refusal. The measured requests are not refused.
    answer["errors"] = answer["errors"][:1]
    return {"body": _without_clock(answer, changed=asked.method != "GET")}


def _without_clock(answer: dict[str, Any], *, changed: bool) -> dict[str, Any]:
    """The response without times of the request, ids that it made, and signatures."""
    del answer["timestamp"]
    data = answer["data"]
    if changed and data and "updatedAt" in data:
        updated_at = data.pop("updatedAt")
        if data["createdAt"] == updated_at:
            data["_id"] = "made"
        for name in ("createdAt", "deletedAt", "startedAt"):
            if data.get(name) == updated_at:
                data[name] = "when it was changed"
    if changed and data and "token" in data:
        claims = jwt.decode(data["token"], options={"verify_signature": False})
        if wire_time(datetime.fromtimestamp(claims["exp"], UTC)) != data.pop("expiresAt"):
            raise Unequal("a join token does not expire when the response says")
        claims["lifetime"] = claims.pop("exp") - claims.pop("iat")
        data["token"] = {**claims, "jti": None, "alg": jwt.get_unverified_header(data["token"])["alg"]}
    return answer


def _participants(world: World) -> list[Any]:
    """The participants, after one user joined twice."""
    with world.connect() as connection:
        found = connection.execute("SELECT stream_id, user_id, last_seen_at > first_seen_at FROM edges_participant")
        return found.fetchall()


def _rows_of(world: World, asked: Asked) -> dict[str, Any]:
    """The rows of the stream or ban, the audit trail and the revocations after a change."""
    with world.connect() as connection, connection.cursor(row_factory=dict_row) as cursor:
        if asked.body:
            target_id = bytes.fromhex(json.loads(asked.body)["targetUserId"])
            row = cursor.execute("SELECT * FROM bans_livestreamban WHERE target_id = %s", [target_id]).fetchone()
        else:
            changed = "livestreams_livestream" if asked.method == "POST" else "bans_livestreamban"
            changed_id = re.search("[0-9a-f]{24}", asked.path)[0]  # type: ignore[index]  # all have one
            cursor.execute(f"SELECT * FROM {changed} WHERE id = %s", [bytes.fromhex(changed_id)])  # a constant name
            row = cursor.fetchone()
        trail = cursor.execute("SELECT * FROM common_auditentry ORDER BY id").fetchall()
        revocations = cursor.execute("SELECT * FROM edges_revocation ORDER BY id").fetchall()
    if row is None or not trail:
        raise Unequal("a change wrote no row or no audit row")
    at = row["updated_at"]
    if any(entry["at"] != at for entry in trail + revocations):
        raise Unequal("a row, its audit row and its revocation do not carry the same time")
    for entry in trail:
        if not entry.pop("request_id") or entry.pop("target_id") != row["id"]:
            raise Unequal("an audit row names no request, or another row")
        del entry["id"], entry["client_address"]  # the peers note no addresses
    for entry in revocations:
        del entry["id"]
    if row["created_at"] == at:
        del row["id"]
    return {"row": _without(at, row), "trail": _without(at, trail), "revocations": _without(at, revocations)}


def _rows_of_reminders(world: World) -> dict[str, Any]:
    """The rows of the only reminder, the lead times and the audit trail."""
    with world.connect() as connection, connection.cursor(row_factory=dict_row) as cursor:
        (reminder,) = cursor.execute("SELECT * FROM reminders_reminder").fetchall()
        leads = cursor.execute("SELECT * FROM reminders_leadtime ORDER BY minute").fetchall()
        trail = cursor.execute("SELECT * FROM common_auditentry ORDER BY id").fetchall()
    if trail[-1]["at"] != reminder["updated_at"] or trail[0]["at"] != reminder["created_at"]:
        raise Unequal("a reminder and its audit row do not carry the same time")
    for entry in trail:
        if not entry.pop("request_id") or entry.pop("target_id") != reminder["id"]:
            raise Unequal("an audit row names no request, or another reminder")
        del entry["id"], entry["at"], entry["client_address"]
    del reminder["id"], reminder["created_at"], reminder["updated_at"]
    return {"reminder": reminder, "leads": leads, "trail": trail}


def _without(at: datetime, kept: Any) -> Any:
    """The rows with the time of the change, which differs between stacks, replaced by a constant."""
    if isinstance(kept, dict):
        return {name: _without(at, value) for name, value in kept.items()}
    if isinstance(kept, list):
        return [_without(at, value) for value in kept]
    return "when it was changed" if kept in (at, at.isoformat()) else kept


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
