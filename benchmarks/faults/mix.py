"""The calls of the load: a mix of reads and writes, each write on objects of its own.

A write has a fact: what its caller may rely on once it was answered with 2xx. ledger.py compares facts with the
database.
"""

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count, cycle, islice
from typing import Any

from benchmarks import same_work
from benchmarks.attack.calls import encoded
from benchmarks.attack.floods import picture_call
from benchmarks.attack.measuring import SMALL_PICTURE
from benchmarks.load import Asked
from benchmarks.world import Person, Stream, World

RATE = 100  # calls a second
# Of 20 calls. All others are reads.
WRITES = {"create": 2, "cancel": 1, "ban": 1, "lift": 1, "remind": 2, "join": 2}
UPLOAD_EVERY = 2  # seconds
PLANNED = "2090-01-01T00:00:00.000Z"


@dataclass(frozen=True, slots=True)
class Call:
    """`fact` is empty for reads. `{id}` in it stands for the id that the answer contains."""

    kind: str
    request: bytes
    fact: list[Any] = field(default_factory=list)


def sent(asked: Asked) -> bytes:
    """The call as bytes, on a connection of its own."""
    headers = () if asked.body or asked.method == "GET" else ("Content-Length: 0",)
    return encoded(asked.method, asked.path, *headers, token=asked.token, body=asked.body.encode())


def mixed(world: World) -> Iterator[Call]:
    """Endless, in the order in which they are sent. Reads take the place of writes for which no row is left."""
    chance = random.Random(2026)
    pools = _writes(world)
    reads = cycle([Call("read", sent(asked)) for asked in _reads(world, chance)])
    uploads = cycle(
        [Call("upload", picture_call(host.token, SMALL_PICTURE), ["created", "{id}"]) for host in world.hosts]
    )
    kinds = [kind for kind, share in WRITES.items() for _ in range(share)]
    kinds += ["read"] * (20 - len(kinds))
    for number in count():
        for kind in chance.sample(kinds, len(kinds)):
            yield next(pools.get(kind, reads), None) or next(reads)
        if number % (UPLOAD_EVERY * RATE // len(kinds)) == 0:
            yield next(uploads)


def _writes(world: World) -> dict[str, Iterator[Call]]:
    """Endless for `create`; each other write is on rows that no other call changes."""
    scheduled = [stream for stream in world.having("scheduled") if stream.guest_id is None]
    third = len(scheduled) // 3
    cancelled, banned_from, awaited = scheduled[:third], scheduled[third : 2 * third], scheduled[2 * third :]
    active = world.having("active")
    return {
        "create": (_create(number, host) for number, host in enumerate(cycle(world.hosts))),
        "cancel": (Call("cancel", sent(same_work.cancel_of(each)), ["cancelled", each.id]) for each in cancelled),
        "ban": (
            Call("ban", sent(same_work.ban_of(stream, host)), ["banned", stream.id, host.id])
            for stream, host in _pairs(banned_from, world.hosts)
        ),
        "lift": (Call("lift", sent(same_work.lift_of(ban)), ["lifted", ban.id]) for ban in world.bans_in("holding")),
        "remind": (
            Call("remind", sent(same_work.remind_of(stream, host)), ["reminded", stream.id, host.id])
            for stream, host in _pairs(awaited, world.hosts)
        ),
        "join": (
            Call("join", sent(same_work.join_of(stream, host)), ["joined", stream.id, host.id])
            for stream, host in _pairs(active, world.hosts)
        ),
    }


def _create(number: int, host: Person) -> Call:
    body = json.dumps({"title": f"Faults {number}", "plannedStartDate": PLANNED})
    return Call("create", sent(Asked("POST", f"{same_work.PATH}/create", host.token, body)), ["created", "{id}"])


def _pairs(streams: list[Stream], hosts: list[Person]) -> Iterator[tuple[Stream, Person]]:
    """Each pair of a stream and a host who does not belong to it, once."""
    for lap in range(len(hosts)):
        for number, stream in enumerate(streams):
            host = hosts[(number + lap) % len(hosts)]
            if host.id not in stream.members:
                yield stream, host


def _reads(world: World, chance: random.Random) -> Iterator[Asked]:
    bans = list(islice(world.bans_in("holding"), 50))
    ended = world.having("ended")  # no call bans anybody from these
    for _ in range(40):
        host = chance.choice(world.hosts)
        yield same_work.read_of(chance.choice(ended), host)
        yield same_work.live_now(host)
        yield same_work.streams_of(chance.choice(world.hosts), by=host)
        yield same_work.bans_of(host)
        ban = chance.choice(bans)
        yield same_work.check_of(ban.target, ban.stream)
        yield Asked("GET", "/api/v1/users/me", host.token)
        yield Asked("GET", f"/api/v1/live-stream/user/{chance.choice(world.hosts).id}/calendar.ics", host.token)
