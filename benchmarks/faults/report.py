"""The table of the faults in Markdown, and the list of broken bounds."""

import sys
from collections.abc import Iterator, Mapping, Sequence

from benchmarks import report
from benchmarks.faults.driver import CUT, REFUSED
from benchmarks.faults.faults import FAULTS, Fault
from benchmarks.faults.measuring import Figures
from benchmarks.world import ROOT

PAGE = ROOT / "docs" / "faults.md"
BEGIN, END = "<!-- the table of make faults begins -->", "<!-- the table of make faults ends -->"
HEAD = (
    "fault",
    "requests",
    "refused with 503",
    "connections cut",
    "acknowledged writes lost",
    "answers outside the envelope",
    "longest `/healthz`, ms",
    "time to recover, s",
    "notices wrong",
)
RECOVERY = 5.0  # seconds
HEALTH = 1.0  # second, the longest answer; the bound of the 99th percentile is
HEALTH_P99 = 0.2

type Run = Mapping[str, Figures]


def broken(fault: Fault, figures: Figures) -> Iterator[str]:
    """Describe each bound that the figures break."""
    if figures.missing:
        return
    if figures.lost:
        yield f"{len(figures.lost)} acknowledged writes lost ({', '.join(figures.lost[:3])})"
    if figures.outside:
        yield f"{figures.outside} answers outside the envelope ({'; '.join(figures.others)})"
    cuts = figures.outcomes.get(CUT, 0)
    if cuts > fault.cuts * fault.times:
        yield f"{cuts} connections cut, allowed {fault.cuts * fault.times}"
    if _is_health_slow(fault, figures):
        longest, p99 = figures.health * 1000, figures.health_p99 * 1000
        yield f"/healthz took {longest:.0f} ms (p99 {p99:.0f}), allowed {HEALTH * 1000:.0f} ({HEALTH_P99 * 1000:.0f})"
    if figures.recovery > RECOVERY:
        yield f"recovered after {figures.recovery:.1f} s, allowed {RECOVERY:.0f}"
    if figures.wrong:
        yield f"{len(figures.wrong)} notices wrong ({', '.join(figures.wrong[:3])})"


def _is_health_slow(fault: Fault, figures: Figures) -> bool:
    """While a killed process is replaced, connections that it would have accepted wait for the new one."""
    return not fault.cuts and (figures.health > HEALTH or figures.health_p99 > HEALTH_P99)


def all_broken(run: Run) -> list[str]:
    return [
        f"{fault.title}: {text}" for fault in FAULTS if fault.name in run for text in broken(fault, run[fault.name])
    ]


def table(run: Run) -> str:
    return report.table(HEAD, (_row(fault, run[fault.name]) for fault in FAULTS if fault.name in run))


def _row(fault: Fault, figures: Figures) -> list[str]:
    if figures.missing:
        return [f"{fault.title} ({figures.missing})", *["–"] * (len(HEAD) - 1)]
    cuts = figures.outcomes.get(CUT, 0)
    return [
        fault.title,
        f"{figures.requests:,}",
        f"{figures.outcomes.get(REFUSED, 0):,}",
        _marked(f"{cuts:,}", cuts > fault.cuts * fault.times),
        _marked(f"{len(figures.lost):,}", bool(figures.lost)),
        _marked(f"{figures.outside:,}", figures.outside > 0),
        _marked(f"{figures.health * 1000:,.0f}", _is_health_slow(fault, figures)),
        _marked(f"{figures.recovery:.1f}", figures.recovery > RECOVERY),
        _marked(f"{len(figures.wrong):,}", bool(figures.wrong)),
    ]


def _marked(text: str, is_broken: bool) -> str:
    return f"**{text}** (!)" if is_broken else text


def page_with(text: str, run: Run, machine: str) -> str:
    """The page `text` with the table between its marks. Raises ValueError when the marks are missing."""
    return report.between(text, BEGIN, END, f"{table(run)}\n\n{machine}")


def printed(run: Run) -> int:
    """Print the table and the broken bounds. Return the exit code."""
    print(table(run))
    return reported(all_broken(run))


def reported(problems: Sequence[str]) -> int:
    """Print the broken bounds. Return the exit code."""
    for problem in problems:
        print(f"BROKEN {problem}", file=sys.stderr)
    return 1 if problems else 0


def summary(fault: Fault, figures: Figures) -> str:
    """One line for the progress of a run. Lost writes and wrong notices are known at its end only."""
    if figures.missing:
        return f"{fault.title}: {figures.missing}"
    outcomes = ", ".join(f"{outcome} {count}" for outcome, count in sorted(figures.outcomes.items()))
    seconds = figures.ended - figures.began
    line = f"{fault.title} ({seconds:.0f} s): {outcomes}; recovered after {figures.recovery:.1f} s"
    line += f"; /healthz at most {figures.health * 1000:.0f} ms, p99 {figures.health_p99 * 1000:.0f} ms"
    return "; ".join([line, *figures.others])
