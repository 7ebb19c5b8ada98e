"""Measures one attack. Attacker and watch run as separate processes; the memory of the service is sampled."""

import asyncio
import json
import subprocess
import sys
import time
from base64 import b64decode
from collections.abc import Awaitable, Coroutine, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any

import psutil

from benchmarks.attack import floods
from benchmarks.attack.attacks import Attack
from benchmarks.attack.calls import Reply, call, encoded
from benchmarks.attack.outcomes import Outcome, repeated
from benchmarks.attack.proxy import nginx_before
from benchmarks.attack.service import WORKERS, Place, Target, ended, family, running
from benchmarks.attack.watch import Seen
from benchmarks.nginx import NGINX
from benchmarks.sampling import sampled
from benchmarks.world import ROOT

SAMPLE_EVERY = 0.1  # seconds
SETTLE_SECONDS = 1.0
OVERTIME = 30.0  # seconds until an attacker that has not ended is killed
WARM_UP_SECONDS = 1.0  # at most
# A PNG of one pixel.
SMALL_PICTURE = b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


@dataclass(frozen=True, slots=True)
class Figures:
    """Memory is in bytes, of all processes of the service. `stopped` is why the attack was ended early, or empty.

    `value` is compared with the limit of the attack.
    """

    health_p99: float | None
    health_unanswered: int
    calls_asked: int
    calls_failed: int
    failures: dict[str, int]
    memory_before: int
    memory_peak: int
    memory_after: int
    stopped: str
    value: float | None
    text: str


def measured(attack: Attack, place: Place, *, seconds: float, memory_limit: int) -> Figures | None:
    """None when the attack needs nginx and it is not installed."""
    if attack.through_proxy and NGINX is None:
        return None
    with running(place) as (process, direct), ExitStack() as stack:
        target = direct
        if attack.through_proxy:
            target = replace(direct, proxy_port=stack.enter_context(nginx_before(direct.port)))
        _warm_up(target)
        memory = Memory(process, memory_limit)
        before = memory.now()
        with sampled(memory.sample, every=SAMPLE_EVERY):
            outcome, stopped, seen = _attacked(attack, target, seconds, memory)
        place.resume()
        time.sleep(SETTLE_SECONDS)
        after = memory.peak if memory.exceeded else memory.now()
    return Figures(
        health_p99=seen.health_p99,
        health_unanswered=seen.health_unanswered,
        calls_asked=seen.calls_asked,
        calls_failed=seen.calls_failed,
        failures=seen.failures,
        memory_before=before,
        memory_peak=max(memory.peak, before, after),
        memory_after=after,
        stopped=stopped,
        value=outcome.value,
        text=outcome.text,
    )


class Memory:
    """The resident memory of a process and its descendants. Kills them when it exceeds `limit`."""

    def __init__(self, process: psutil.Process, limit: int) -> None:
        self.process, self.limit = process, limit
        self.peak = 0
        self.exceeded = False

    def now(self) -> int:
        total = 0
        for member in family(self.process):
            with suppress(psutil.NoSuchProcess):
                total += member.memory_info().rss
        return total

    def sample(self) -> bool:
        """Returns whether the processes were killed."""
        self.peak = max(self.peak, self.now())
        self.exceeded = self.peak > self.limit
        if self.exceeded:
            ended(self.process)
        return self.exceeded


def _attacked(attack: Attack, target: Target, seconds: float, memory: Memory) -> tuple[Outcome, str, Seen]:
    port = target.proxy_port or target.port
    calls = [(name, request.decode("latin-1")) for name, request in target.ordinary_calls()]
    with (
        _program("watch", {"port": port, "calls": calls, "tolerated": attack.tolerated}) as watch,
        _program("attacks", {"attack": attack.name, "target": target.as_job(), "seconds": seconds}) as attacker,
    ):
        attacker.stdin.close()
        attacker.stdout.readline()
        watch.stdin.write("begin\n")
        watch.stdin.flush()
        stopped = _end_of(attacker, time.monotonic() + seconds + OVERTIME, memory)
        outcome = Outcome("") if stopped else Outcome(**json.loads(attacker.stdout.read()))
        watch.stdin.close()
        seen = Seen(**json.loads(watch.stdout.read()))
    return outcome, stopped, seen


@contextmanager
def _program(name: str, job: dict[str, Any]) -> Iterator[Any]:
    with subprocess.Popen(
        [sys.executable, "-m", f"benchmarks.attack.{name}"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdin is not None
            process.stdin.write(json.dumps(job) + "\n")
            process.stdin.flush()
            yield process
            if not process.stdin.closed:
                process.stdin.close()
        finally:
            process.kill()


def _end_of(attacker: "subprocess.Popen[str]", deadline: float, memory: Memory) -> str:
    """Wait for the attacker. Return why it was not waited for, or an empty text."""
    while attacker.poll() is None:
        if memory.exceeded:
            return f"ended at {memory.limit / 2**30:.0f} GiB"
        if time.monotonic() > deadline:
            return "did not end"
        time.sleep(0.05)
    if attacker.returncode:
        raise RuntimeError(f"the attacker failed with exit code {attacker.returncode}")
    return ""


def _warm_up(target: Target) -> None:
    """Open the database connection of every thread and load what is loaded at first use."""
    calls = [request for _, request in target.ordinary_calls()]
    busy = target.people["busy"]["id"]
    for path in ("/api/schema/", "/readyz", f"/api/v1/live-stream/user/{busy}/calendar.ics", "/admin/login/"):
        calls += [encoded("GET", path)] * WORKERS
    calls += [floods.login_call(f"nobody-{number}") for number in range(WORKERS)]
    calls += [floods.picture_call(target.token("attacker"), SMALL_PICTURE)] * WORKERS

    def ask(number: int) -> Awaitable[Reply]:
        return call(target.port, calls[number % len(calls)])

    asyncio.run(_until_served(repeated(ask, seconds=WARM_UP_SECONDS, callers=16, at_most=20 * len(calls))))


async def _until_served(replies: Coroutine[Any, Any, list[Reply]]) -> None:
    if not any(reply.status == 200 for reply in await replies):
        raise RuntimeError("the service answers no ordinary call")
