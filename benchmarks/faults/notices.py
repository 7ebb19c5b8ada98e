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
from benchmarks.faults.mix import sent
from benchmarks.load import Asked
from benchmarks.world import Person, World
from common.times import wire_time

LEAD = 5  # minutes
REMINDED = 6  # persons for each stream; the last one is banned
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

    def prepare(self, fault: str, due_in: Sequence[float]) -> None:
        """For each number of seconds a stream whose reminders come due then. The service must work."""
        for seconds in due_in:
            due_at = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=seconds + 1)
            self._prepared(fault, "reminder", due_at, due_at + timedelta(minutes=LEAD), LEAD)

    def prepare_start(self, fault: str) -> Awaited:
        """A stream that `start` starts later."""
        return self._prepared(fault, "live", None, datetime.now(UTC) + timedelta(days=30), None)

    def _prepared(
        self, fault: str, kind: str, due_at: datetime | None, planned: datetime, minute: int | None
    ) -> Awaited:
        creator = self.creators[self.made % len(self.creators)]
        self.made += 1
        body = json.dumps({"title": f"Notices {self.made}", "plannedStartDate": wire_time(planned)})
        made = self._answered(Asked("POST", f"{same_work.PATH}/create", creator.token, body))
        stream_id = str(made["id"])
        others = [host for host in self.hosts if host is not creator]
        people = [others[(self.made * REMINDED + number) % len(others)] for number in range(REMINDED)]
        for person in people:
            reminder = json.dumps({"minute": minute})
            self._answered(Asked("POST", f"{same_work.PATH}/{stream_id}/reminder", person.token, reminder))
        ban = {"targetUserId": people[-1].id, "liveStreamId": stream_id, "actionType": "BLOCK", "reason": "Spam"}
        self._answered(Asked("POST", same_work.BANS, creator.token, json.dumps(ban)))
        awaited = Awaited(fault, stream_id, creator, kind, people[:-1], people[-1], due_at)
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

    def _answered(self, asked: Asked) -> Any:
        reply = self._asked(asked)
        if not 200 <= reply.status < 300:
            raise RuntimeError(f"{asked.method} {asked.path}: {reply.status} {reply.body[:300]!r}")
        return json.loads(reply.body)["data"]


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
                yield Wrong(each.fault, f"{'missing' if count == 0 else f'{count} times'}: {about}")
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
