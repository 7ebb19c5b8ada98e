"""Measures the effect of each fault on callers, and on those who wait for notifications."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from benchmarks.faults.driver import CUT, LATE, OTHER, REFUSED, SERVED, STALE, Seen
from benchmarks.faults.faults import Fault
from benchmarks.faults.installation import Installation
from benchmarks.faults.ledger import lost
from benchmarks.faults.notices import Notices, wrong
from benchmarks.faults.watching import Load, loaded

CALM = 1.0  # seconds between the last preparation and a fault
LONGEST_START = 30.0  # seconds in which a stream is started whose start was refused


@dataclass
class Figures:
    """Of one fault. Times are in seconds, and `recovery` is the longest of all times that it was tried.

    `outcomes` counts the answers by outcome, and `others` shows some of those that no caller should get. `health` is
    the longest answer of `/healthz` and `health_p99` the 99th percentile. `missing` is what the machine lacks, if
    anything.
    """

    missing: str = ""
    began: float = 0.0
    ended: float = 0.0
    recovery: float = 0.0
    outcomes: dict[str, int] = field(default_factory=dict)
    others: list[str] = field(default_factory=list)
    health: float = 0.0
    health_p99: float = 0.0
    lost: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    @property
    def requests(self) -> int:
        return sum(self.outcomes.values())

    @property
    def outside(self) -> int:
        """Answers that are neither served nor a 503 in the envelope, nor a cut connection."""
        return sum(self.outcomes.get(outcome, 0) for outcome in (OTHER, LATE, STALE))


def measured(
    place: Installation,
    faults: Sequence[Fault],
    *,
    seconds: float | None,
    rate: int,
    report: Callable[[Fault, Figures], None],
) -> dict[str, Figures]:
    """The figures of each fault by its name. `seconds` replaces the length of those that have one."""
    found: dict[str, Figures] = {}
    notices = Notices(place.world, place.proxy_port)
    with loaded(place, rate) as load:
        load.await_steady(time.monotonic())
        for fault in faults:
            missing = fault.needs(place)
            length = min(fault.seconds, seconds) if seconds else fault.seconds
            figures = Figures(missing=missing) if missing else _tried(place, fault, length, load, notices)
            found[fault.name] = figures
            report(fault, figures)
        with place.primary.connect() as connection:
            wrongs = wrong(connection, notices.awaited)
    with place.primary.connect() as connection:
        losses = lost(connection, load.calls)
    for name, figures in found.items():
        _complete(figures, load)
        figures.wrong = [each.text for each in wrongs if each.fault == name]
        figures.lost = [_text(seen) for seen in losses if figures.began <= seen.at < figures.ended]
    return found


def _tried(place: Installation, fault: Fault, seconds: float, load: Load, notices: Notices) -> Figures:
    figures = Figures(began=time.monotonic())
    for _ in range(fault.times):
        started = notices.prepare_start(fault.name)
        # At the begin, in the middle and after the fault.
        notices.prepare(fault.name, due_in=(0.5, seconds / 2 + 1, seconds + 3))
        time.sleep(CALM)
        within = seconds + LONGEST_START
        starting = threading.Timer(min(seconds / 2, 1.0), notices.start, [started], {"within": within})
        starting.start()
        fault.run(place, seconds)
        figures.recovery = max(figures.recovery, load.await_steady(time.monotonic()))
        starting.join()
    figures.ended = time.monotonic()
    _complete(figures, load)
    return figures


def _complete(figures: Figures, load: Load) -> None:
    """Fill in what has been seen so far."""
    if figures.missing:
        return
    calls = load.calls_between(figures.began, figures.ended)
    figures.outcomes = dict(Counter(seen.outcome for seen in calls))
    odd = Counter(_text(seen) for seen in calls if seen.outcome not in (SERVED, REFUSED, CUT))
    figures.others = [f"{text} × {count}" for text, count in odd.most_common(4)]
    health = sorted(seen.seconds for seen in load.health_between(figures.began, figures.ended))
    if health:
        figures.health = health[-1]
        figures.health_p99 = health[min(len(health) - 1, len(health) * 99 // 100)]


def _text(seen: Seen) -> str:
    """For example "create: 502 <html>"."""
    said = " ".join(seen.text.split())[:100]
    return f"{seen.kind}: {seen.outcome} {seen.status or 'no answer'} {said}".strip()
