"""Reminders that come due during the faults, and streams that start: who must be notified, and who was.

The time of a notification is that of its commit in the database (`track_commit_timestamp`), not the stored one, which
a worker with a wrong clock might have written.
"""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg

from benchmarks import same_work
from benchmarks.attack.calls import Reply, call
from benchmarks.faults.mix import PLANNED, sent
from benchmarks.load import Asked
from benchmarks.world import Person, World
from common.times import wire_time

LEAD = 5  # minutes
REMINDED = 6  # persons for each stream; the last one is banned
TRIES = 5  # of a call that is refused, as on a machine that is too slow for the load
PATIENCE = 60.0  # seconds after the last fault until a notification is missing; the grace of the service is longer


@dataclass
class Awaited:
    """The notifications of one stream: `due_at` is when they may be written, None while the stream has not started."""

    fault: str
    stream: str
    creator: Person
    kind: str
    people: list[Person]
    banned: Person
    due_at: datetime | None


class Notices:
    """`port` is the proxy's. Each stream has a creator of its own, because one can have one active stream at a time."""

    def __init__(self, world: World, port: int) -> None:
        self.port = port
        active = {stream.creator.id for stream in world.having("active")}
        self.hosts = world.hosts
        self.creators = [host for host in world.hosts if host.id not in active]
        self.awaited: list[Awaited] = []
        self.made = 0

    def prepare(self, fault: str, due_in: Sequence[float]) -> list[Awaited]:
        """For each number of seconds a stream whose reminders come due then. The service must work."""
        prepared = [self._prepared(fault, "reminder", LEAD) for _ in due_in]
        # Their start is moved at the end, because it may take long to set the reminders. They move with it.
        now = datetime.now(UTC)
        for awaited, seconds in zip(prepared, due_in, strict=True):
            awaited.due_at = now.replace(microsecond=0) + timedelta(seconds=1 + seconds)
            body = json.dumps({"plannedStartDate": wire_time(awaited.due_at + timedelta(minutes=LEAD))})
            self._answered([Asked("PATCH", f"{same_work.PATH}/{awaited.stream}", awaited.creator.token, body)])
        return prepared

    def prepare_start(self, fault: str) -> Awaited:
        """A stream that `start` starts later."""
        return self._prepared(fault, "live", None)

    def _prepared(self, fault: str, kind: str, minute: int | None) -> Awaited:
        creator = self.creators[self.made % len(self.creators)]
        self.made += 1
        body = json.dumps({"title": f"Notices {self.made}", "plannedStartDate": PLANNED})
        (made,) = self._answered([Asked("POST", f"{same_work.PATH}/create", creator.token, body)])
        stream_id = str(made["id"])
        others = [host for host in self.hosts if host is not creator]
        people = [others[(self.made * REMINDED + number) % len(others)] for number in range(REMINDED)]
        reminder = json.dumps({"minute": minute})
        path = f"{same_work.PATH}/{stream_id}/reminder"
        self._answered([Asked("POST", path, person.token, reminder) for person in people])
        ban = {"targetUserId": people[-1].id, "liveStreamId": stream_id, "actionType": "BLOCK", "reason": "Spam"}
        self._answered([Asked("POST", same_work.BANS, creator.token, json.dumps(ban))])
        awaited = Awaited(fault, stream_id, creator, kind, people[:-1], people[-1], None)
        self.awaited.append(awaited)
        return awaited

    def start(self, awaited: Awaited, *, within: float) -> None:
        """Start its stream. Repeats the call until it is acknowledged, or refused because an earlier one succeeded."""
        deadline = time.monotonic() + within
        awaited.due_at = datetime.now(UTC)
        while time.monotonic() < deadline:
            reply = self._asked(Asked("POST", f"{same_work.PATH}/{awaited.stream}/start", awaited.creator.token))
            if reply.status in (200, 409):
                return
            time.sleep(0.5)
        # It may have been started or not, so nothing follows for its notifications.
        self.awaited.remove(awaited)

    def _asked(self, asked: Asked) -> Reply:
        return asyncio.run(call(self.port, sent(asked)))

    def _answered(self, calls: Sequence[Asked]) -> list[Any]:
        """The data of the answers of calls that are made at once. Repeats calls without an answer, and those refused.

        Raises RuntimeError for any other answer.
        """
        return asyncio.run(self._all_answered(calls))

    async def _all_answered(self, calls: Sequence[Asked]) -> list[Any]:
        return await asyncio.gather(*map(self._one_answered, calls))

    async def _one_answered(self, asked: Asked) -> Any:
        for _ in range(TRIES):
            reply = await call(self.port, sent(asked))
            if 200 <= reply.status < 300:
                return json.loads(reply.body)["data"]
            if reply.status not in (0, 503):
                break
            await asyncio.sleep(0.5)
        raise RuntimeError(f"{asked.method} {asked.path}: {reply.status} {reply.body[:300]!r}")


# --- what was written -----------------------------------------------------------------------------

_WRITTEN = """
    SELECT encode(stream_id, 'hex'), encode(user_id, 'hex'), kind, pg_xact_commit_timestamp(xmin)
    FROM reminders_notification WHERE stream_id = ANY(%s)
"""


@dataclass(frozen=True, slots=True)
class Wrong:
    fault: str
    text: str


def wrong(connection: psycopg.Connection[Any], awaited: Sequence[Awaited]) -> list[Wrong]:
    """Each notification that is doubled, missing, early, or that of a banned person.

    Waits until none is missing, PATIENCE at most.
    """
    deadline = time.monotonic() + PATIENCE
    while True:
        found = list(_wrong(connection, awaited))
        if time.monotonic() > deadline or not any(each.text.startswith("missing") for each in found):
            return found
        time.sleep(0.5)


def _wrong(connection: psycopg.Connection[Any], awaited: Sequence[Awaited]) -> Iterator[Wrong]:
    ids = [bytes.fromhex(each.stream) for each in awaited]
    rows = connection.execute(_WRITTEN, [ids]).fetchall()
    counts = Counter((stream, user, kind) for stream, user, kind, _ in rows)
    for each in awaited:
        about = f"{each.kind} of stream {each.stream}"
        for person in each.people if each.due_at else ():
            if (count := counts[each.stream, person.id, each.kind]) != 1:
                how = f"missing ({_progress(connection, each)})" if count == 0 else f"{count} times"
                yield Wrong(each.fault, f"{how}: {about}")
        for stream, user, _, committed_at in rows:
            if stream != each.stream:
                continue
            if user == each.banned.id:
                yield Wrong(each.fault, f"to a banned person: {about}")
            if each.due_at is None:
                yield Wrong(each.fault, f"of a stream that was not started: {about}")
            elif committed_at is not None and committed_at < each.due_at:
                early = (each.due_at - committed_at).total_seconds()
                yield Wrong(each.fault, f"{early:.1f} s early: {about}")


_PROGRESS = """
    SELECT round.state, round.due_at, round.opened_at, chunk.state FROM reminders_round AS round
    LEFT JOIN reminders_chunk AS chunk ON chunk.round_id = round.id WHERE round.stream_id = %s AND round.kind = %s
"""


def _progress(connection: psycopg.Connection[Any], awaited: Awaited) -> str:
    """How far the service has come with the notifications of a stream."""
    rows = connection.execute(_PROGRESS, [bytes.fromhex(awaited.stream), awaited.kind]).fetchall()
    rounds = [
        f"round {state}, due {due:%H:%M:%S}, opened {at:%H:%M:%S}, chunk {chunk}" for state, due, at, chunk in rows
    ]
    return f"due {awaited.due_at:%H:%M:%S}; {'; '.join(rounds) or 'no round'}"
