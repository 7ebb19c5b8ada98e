"""The outcome of an attack, and helpers of all attacks."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from time import perf_counter

from benchmarks.attack.calls import Reply


@dataclass(frozen=True, slots=True)
class Outcome:
    """`value` is compared with the bound of the attack; None without a bound. `text` is for the report."""

    text: str
    value: float | None = None


def statuses(replies: Iterable[Reply]) -> str:
    """For example "401 × 20, no answer × 3"."""
    counts = Counter(str(reply.status or "no answer") for reply in replies)
    return ", ".join(f"{status} × {count:,}" for status, count in sorted(counts.items())) or "no calls"


def slowest(replies: Iterable[Reply]) -> float:
    return max((reply.seconds for reply in replies), default=0.0)


async def repeated(
    ask: Callable[[int], Awaitable[Reply]], *, seconds: float, callers: int, pause: float = 0.0, at_most: int = 100_000
) -> list[Reply]:
    """Run `callers` tasks that call `ask` repeatedly for `seconds`. `ask` gets the number of the call."""
    replies: list[Reply] = []
    until = perf_counter() + seconds
    number = 0

    async def caller() -> None:
        nonlocal number
        while perf_counter() < until and number < at_most:
            number += 1
            replies.append(await ask(number - 1))
            await asyncio.sleep(pause)

    async with asyncio.TaskGroup() as group:
        for _ in range(callers):
            group.create_task(caller())
    return replies
