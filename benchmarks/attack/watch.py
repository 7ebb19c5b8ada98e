"""The watch: a process that calls `/healthz` and ordinary endpoints during an attack and times each response.

It sends calls at a fixed rate, whether or not earlier ones were answered, so that a stall counts with its full length
(no coordinated omission). `python -m benchmarks.attack.watch` reads a job from stdin, begins at the next line, and
prints the figures at the end of stdin, all in JSON.
"""

import asyncio
import json
import sys
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.attack.calls import Reply, call, encoded

HEALTH_EVERY = 0.05  # seconds
CALL_EVERY = 0.1


@dataclass(frozen=True, slots=True)
class Seen:
    """`health_p99` in milliseconds, None when more than one in a hundred was not answered within five seconds."""

    health_asked: int
    health_unanswered: int
    health_p99: float | None
    calls_asked: int
    calls_failed: int
    calls_slowest: float
    failures: dict[str, int]


def seen(health: list[Reply], calls: list[tuple[str, Reply, bool]]) -> Seen:
    """`calls` are names, replies and whether each was a failure."""
    unanswered = sum(reply.status != 200 for reply in health)
    times = sorted(reply.seconds if reply.status == 200 else float("inf") for reply in health)
    p99 = times[min(len(times) - 1, len(times) * 99 // 100)]
    return Seen(
        health_asked=len(health),
        health_unanswered=unanswered,
        health_p99=None if p99 == float("inf") else p99 * 1000,
        calls_asked=len(calls),
        calls_failed=sum(failed for _, _, failed in calls),
        calls_slowest=max((reply.seconds for _, reply, _ in calls), default=0.0),
        failures=dict(Counter(f"{name}: {reply.status or 'no answer'}" for name, reply, failed in calls if failed)),
    )


class Watch:
    """`calls` are names and requests whose expected status is 200. `tolerated` are further accepted statuses."""

    def __init__(self, port: int, calls: list[tuple[str, bytes]], tolerated: list[int]) -> None:
        self.port, self.calls, self.tolerated = port, calls, tolerated
        self.health: list[Reply] = []
        self.ordinary: list[tuple[str, Reply, bool]] = []

    async def until(self, ended: asyncio.Event) -> Seen:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._each(HEALTH_EVERY, self._ask_health, ended))
            group.create_task(self._each(CALL_EVERY, self._ask_next, ended))
        return seen(self.health, self.ordinary)

    async def _each(self, seconds: float, ask: Callable[[int], Awaitable[None]], ended: asyncio.Event) -> None:
        clock = asyncio.get_running_loop().time
        began = clock()
        async with asyncio.TaskGroup() as group:
            number = 0
            while not ended.is_set():
                group.create_task(_awaited(ask(number)))
                number += 1
                await asyncio.sleep(max(0.0, began + number * seconds - clock()))

    async def _ask_health(self, number: int) -> None:
        self.health.append(await call(self.port, encoded("GET", "/healthz")))

    async def _ask_next(self, number: int) -> None:
        name, request = self.calls[number % len(self.calls)]
        reply = await call(self.port, request)
        self.ordinary.append((name, reply, not reply.is_answer(200, *self.tolerated)))


async def _awaited(asked: Awaitable[None]) -> None:
    await asked


async def _main() -> None:
    job: dict[str, Any] = json.loads(sys.stdin.readline())
    calls = [(name, request.encode("latin-1")) for name, request in job["calls"]]
    watch = Watch(job["port"], calls, job["tolerated"])
    ended = asyncio.Event()
    sys.stdin.readline()

    async def end_with_stdin() -> None:
        await asyncio.to_thread(sys.stdin.read)
        ended.set()

    ending = asyncio.create_task(end_with_stdin())
    json.dump(asdict(await watch.until(ended)), sys.stdout)
    await ending


if __name__ == "__main__":
    asyncio.run(_main())
