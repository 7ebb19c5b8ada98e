"""All attacks, with their length and bounds. `python -m benchmarks.attack.attacks` is the attacker's process.

It reads a job on stdin, prints a line when it begins and the outcome when it ends, both in JSON. It runs with low
priority, so that on a small machine it takes little CPU time from the service.
"""

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass

from benchmarks.attack import floods, outages
from benchmarks.attack.outcomes import Outcome
from benchmarks.attack.service import Target

HEALTH_P99 = 200.0  # milliseconds
MEMORY_BACK = 1.1  # resident memory afterwards, divided by resident memory before


@dataclass(frozen=True)
class Attack:
    """`limit` bounds the value of the outcome. `tolerated` are statuses that other calls may return meanwhile.

    `seconds` is the usual length, and `long` that of `--long`. With `memory_back` the service must release memory.
    """

    name: str
    title: str
    run: Callable[[Target, float], Awaitable[Outcome]]
    seconds: float
    limit: float | None = None
    long: float | None = None
    tolerated: tuple[int, ...] = ()
    memory_back: bool = False
    through_proxy: bool = False


ATTACKS = (
    Attack(
        "slow",
        "200 connections that send one byte of an announced body",
        floods.announced_bodies,
        seconds=15,
        long=60,
        limit=floods.CUT_WITHIN,
    ),
    Attack(
        "chunked",
        "the same with a chunked body",
        floods.chunked_bodies,
        seconds=13,
        long=60,
        limit=floods.CUT_WITHIN,
    ),
    Attack("lists", "lists of half a million items, 20 a second", floods.long_lists, seconds=5, limit=1.0),
    Attack("pictures", "ten hostile pictures at once", floods.pictures, seconds=6, memory_back=True),
    Attack("logins", "40 parallel logins with made-up names", floods.logins, seconds=6),
    Attack("headers", "5,000 long headers and queries", floods.long_headers, seconds=6, memory_back=True),
    Attack("reads", "20 parallel anonymous reads of the costliest pages", floods.costly_reads, seconds=4),
    Attack("absurd", "absurd headers and addresses", floods.absurd_headers, seconds=3, limit=0),
    Attack("lock", "a locked table, 45 callers", outages.locked_table, seconds=8, limit=0, tolerated=(503,)),
    Attack("stopped", "a stopped database, 45 callers", outages.stopped_database, seconds=8, limit=0, tolerated=(503,)),
    Attack("closed", "all database connections closed, 60 callers", outages.closed_connections, seconds=3, limit=0),
    Attack(
        "refused",
        "refused calls with bodies of 100 KB, behind nginx",
        outages.refused_bodies,
        seconds=4,
        limit=0,
        through_proxy=True,
    ),
)
BY_NAME = {attack.name: attack for attack in ATTACKS}


def main() -> None:
    os.nice(10)
    job = json.load(sys.stdin)
    attack, target = BY_NAME[job["attack"]], Target(**job["target"])
    print("{}", flush=True)
    outcome = asyncio.run(_run(attack, target, job["seconds"]))
    print(json.dumps(asdict(outcome)), flush=True)


async def _run(attack: Attack, target: Target, seconds: float) -> Outcome:
    return await attack.run(target, seconds)


if __name__ == "__main__":
    main()
