"""The load as the main process sees it: a thread collects what the driver has seen."""

import json
import pickle
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from benchmarks.faults.driver import CUT, PATIENCE, SERVED, Seen
from benchmarks.faults.installation import Installation
from benchmarks.world import ROOT

STEADY = 3.0  # seconds in which every call must be served until the service counts as recovered
LONGEST_RECOVERY = 40.0
LATEST = STEADY + PATIENCE  # seconds of answers, among which are all calls that were sent in the last STEADY seconds


class Load:
    """`calls` and `health` grow while the load runs; both are in the order of the answers."""

    def __init__(self, rate: int) -> None:
        self.rate = rate
        self.calls: list[Seen] = []
        self.health: list[Seen] = []

    def collect(self, lines: Iterator[str]) -> None:
        for line in lines:
            seen = Seen(**json.loads(line))
            (self.health if seen.number is None else self.calls).append(seen)

    def calls_between(self, begin: float, end: float) -> list[Seen]:
        return [seen for seen in self.calls if begin <= seen.at < end]

    def health_between(self, begin: float, end: float) -> list[Seen]:
        """Answers of `/healthz`. A server that does not listen, because it starts or was stopped, gives none."""
        return [seen for seen in self.health if begin <= seen.at < end and seen.outcome != CUT]

    def is_steady(self, begin: float, end: float) -> bool:
        """Whether every call that was sent between these moments has been answered with 2xx."""
        sent = [seen for seen in self.calls[-int(self.rate * LATEST) :] if begin <= seen.at < end]
        return len(sent) >= 0.8 * self.rate * (end - begin) and all(seen.outcome == SERVED for seen in sent)

    def await_steady(self, since: float) -> float:
        """Wait until calls are served again for STEADY seconds. Returns how long it took from `since`.

        That is the moment when the last call was sent that was not served. LONGEST_RECOVERY at most.
        """
        while time.monotonic() - since < LONGEST_RECOVERY:
            until = time.monotonic() - 0.5  # calls of the last half second may still be in progress
            if until - STEADY >= since and self.is_steady(until - STEADY, until):
                break
            time.sleep(0.1)
        unserved = [seen.at for seen in self.calls_between(since, float("inf")) if seen.outcome != SERVED]
        return max(0.0, max(unserved, default=since) - since)


@contextmanager
def loaded(place: Installation, rate: int) -> Iterator[Load]:
    """Run the driver for the length of the block, and collect the answers of the calls in progress at its end."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.faults.driver"], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    job = {
        "port": place.proxy_port,
        "health_ports": [server.port for server in place.servers],
        "world": place.world,
        "rate": rate,
    }
    load = Load(rate)
    lines = (line.decode() for line in process.stdout)
    collecting = threading.Thread(target=load.collect, args=[lines], daemon=True)
    try:
        pickle.dump(job, process.stdin)
        process.stdin.flush()
        collecting.start()
        yield load
        process.stdin.close()
        process.wait(timeout=30)
        collecting.join()
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        with suppress(OSError):  # it may have ended before it has read its job
            process.stdin.close()
