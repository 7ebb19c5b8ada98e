"""The driver: a process that sends the load at a fixed rate, and asks both servers for `/healthz`.

It sends whether or not earlier calls were answered, so that an outage counts with its full length. `python -m
benchmarks.faults.driver` reads a job (a dictionary, pickled) from stdin and writes one line for each answer, in JSON,
until the end of stdin.
"""

import asyncio
import json
import pickle
import sys
import time
from collections.abc import Awaitable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import Any

from benchmarks.attack.calls import LONGEST_ANSWER, Reply, call, encoded
from benchmarks.faults.mix import Call, mixed
from benchmarks.same_work import PATH

PATIENCE = 15.0  # seconds until a call without an answer is given up
HEALTH_EVERY = 0.1

SERVED = "served"  # 2xx
REFUSED = "refused"  # 503 in the envelope, with Retry-After
CUT = "cut"  # the connection was closed without an answer, which the proxy reports by a 502 of its own
OTHER = "other"  # any other answer: another error page of the proxy, a status that the call may not get
LATE = "late"  # no answer within LONGEST_ANSWER
STALE = "stale"  # what the same caller has just created is not found


@dataclass(frozen=True, slots=True)
class Seen:
    """One answer. `number` is that of the call of the load; None for `/healthz`, whose `kind` is the port.

    `at` is the moment when the call was sent, by the monotonic clock of the machine, and `fact` what the answer
    acknowledged.
    """

    number: int | None
    kind: str
    at: float
    seconds: float
    outcome: str
    status: int = 0
    fact: list[Any] = field(default_factory=list)
    text: str = ""


def outcome_of(reply: Reply) -> str:
    """Which of the outcomes an answer is, except STALE."""
    if reply.seconds > LONGEST_ANSWER:
        return LATE
    if reply.status == 0 or (reply.status == 502 and not reply.is_envelope):
        return CUT
    if 200 <= reply.status < 300:
        return SERVED
    if reply.status == 503 and reply.is_envelope and b"\r\nretry-after:" in reply.head:
        return REFUSED
    return OTHER


class Driver:
    def __init__(self, port: int, health_ports: list[int], calls: Iterator[Call], rate: int) -> None:
        self.port, self.health_ports, self.calls = port, health_ports, calls
        self.rate = rate
        self.ended = asyncio.Event()

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            for port in self.health_ports:
                group.create_task(self._health(port))
            group.create_task(self._load())

    async def _load(self) -> None:
        await self._each(1 / self.rate, self._ask)

    async def _health(self, port: int) -> None:
        await self._each(HEALTH_EVERY, lambda _number: self._ask_health(port))

    async def _each(self, seconds: float, ask: Any) -> None:
        clock = asyncio.get_running_loop().time
        began = clock()
        async with asyncio.TaskGroup() as group:
            number = 0
            while not self.ended.is_set():
                group.create_task(ask(number))
                number += 1
                await asyncio.sleep(max(0.0, began + number * seconds - clock()))

    async def _ask(self, number: int) -> None:
        asked = next(self.calls)
        at = time.monotonic()
        reply = await call(self.port, asked.request, within=PATIENCE)
        outcome = outcome_of(reply)
        fact = _known(asked.fact, reply) if outcome == SERVED else []
        if outcome == SERVED and asked.kind == "create":
            outcome = await self._read_own(asked, fact[1])
        text = "" if outcome in (SERVED, CUT) else reply.body[:200].decode(errors="replace")
        _write(Seen(number, asked.kind, at, reply.seconds, outcome, reply.status, fact, text))

    async def _read_own(self, created: Call, stream_id: str) -> str:
        """Whether the creator finds the stream at once. A fault in between is none of the creation."""
        reply = await call(self.port, encoded("GET", f"{PATH}/{stream_id}", token=_token_of(created.request)))
        return STALE if reply.status == 404 else SERVED

    async def _ask_health(self, port: int) -> None:
        at = time.monotonic()
        reply = await call(port, encoded("GET", "/healthz"))
        outcome = SERVED if reply.status == 200 else CUT if reply.seconds < LONGEST_ANSWER else LATE
        _write(Seen(None, str(port), at, reply.seconds, outcome, reply.status))


def _token_of(request: bytes) -> str:
    return request.split(b"Authorization: Bearer ", 1)[1].split(b"\r\n", 1)[0].decode()


def _known(fact: list[Any], reply: Reply) -> list[Any]:
    """The fact with the id that the answer contains."""
    if "{id}" not in fact:
        return fact
    found = ""
    with suppress(ValueError, KeyError, TypeError):
        found = str(json.loads(reply.body)["data"]["id"])
    return [found if part == "{id}" else part for part in fact]


def _write(seen: Seen) -> None:
    sys.stdout.write(json.dumps(asdict(seen)) + "\n")


async def _flush(ended: asyncio.Event) -> None:
    while not ended.is_set():
        sys.stdout.flush()
        await asyncio.sleep(0.1)


async def _main() -> None:
    job: dict[str, Any] = pickle.load(sys.stdin.buffer)
    driver = Driver(job["port"], job["health_ports"], mixed(job["world"]), job["rate"])

    async def end_with_stdin() -> None:
        await asyncio.to_thread(sys.stdin.read)
        driver.ended.set()

    ending: Awaitable[None] = asyncio.create_task(end_with_stdin())
    flushing: Awaitable[None] = asyncio.create_task(_flush(driver.ended))
    await driver.run()
    await ending
    await flushing


if __name__ == "__main__":
    asyncio.run(_main())
