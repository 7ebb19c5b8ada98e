"""`make faults`: cause every fault that operators meet, under load, and report its effect on callers.

Loopback only, in a temporary folder, in less than ten minutes. Ends with 1 when a bound is broken.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.faults import report, upgrade
from benchmarks.faults.driver import REFUSED
from benchmarks.faults.faults import BY_NAME, FAULTS, Fault
from benchmarks.faults.installation import installation
from benchmarks.faults.locks import LONGEST_LOCK, Locks
from benchmarks.faults.measuring import Figures, measured
from benchmarks.faults.mix import RATE
from benchmarks.nginx import NGINX
from benchmarks.pgbouncer import PGBOUNCER
from benchmarks.report import interrupt_on_sigterm, load_before, machine, say


def run(
    faults: Sequence[Fault], *, seconds: float | None = None, rate: int = RATE, logs: Path | None = None
) -> dict[str, Figures]:
    """The figures of each fault, on an installation of their own."""
    began = time.monotonic()

    def progress(fault: Fault, figures: Figures) -> None:
        say(f"{time.monotonic() - began:4.0f} s  {report.summary(fault, figures)}")

    with installation(logs=logs) as place:
        say(f"{time.monotonic() - began:4.0f} s  the installation is ready")
        return measured(place, faults, seconds=seconds, rate=rate, report=progress)


def run_upgrade(rate: int, logs: Path | None) -> int:
    """Print the figures of an upgrade. Return the exit code: 1 when a call failed or a lock took too long."""
    locks = Locks()
    fault = upgrade.fault_of(locks)
    with upgrade.old_checkout() as checkout:
        if checkout is None:
            say(f"Not measured: this clone has no commit {upgrade.OLD}. Fetch the whole history first.")
            return 1
        with installation(checkout, pooled=False, logs=logs) as place:
            figures = measured(place, [fault], seconds=None, rate=rate, report=lambda *_: None)[fault.name]
    say(report.summary(fault, figures))
    say(locks.text)
    problems = [*report.broken(fault, figures)]
    if refused := figures.outcomes.get(REFUSED, 0):
        problems.append(f"{refused} calls refused with 503")
    if locks.are_broken:
        problems.append(f"{locks.text}, allowed {LONGEST_LOCK:.0f} s")
    return report.reported([f"{fault.title}: {problem}" for problem in problems])


def lacking() -> str:
    """The programs that this machine lacks, or an empty text."""
    programs = {"nginx (package nginx-light)": NGINX, "PgBouncer (package pgbouncer)": PGBOUNCER}
    return ", ".join(name for name, path in programs.items() if path is None)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.faults", description=__doc__)
    parser.add_argument("what", nargs="?", choices=["upgrade"], help="an upgrade from the version before, and no fault")
    parser.add_argument("--only", nargs="+", choices=list(BY_NAME), default=list(BY_NAME), metavar="FAULT")
    parser.add_argument("--seconds", type=float, help="shorten faults that are longer than this")
    parser.add_argument("--rate", type=int, default=RATE, help=f"calls a second ({RATE})")
    parser.add_argument("--logs", type=Path, metavar="DIR", help="copy the logs of all programs to this folder")
    parser.add_argument("--write", action="store_true", help="write the table of all faults to docs/faults.md")
    options = parser.parse_args()
    if options.write and (len(options.only) < len(FAULTS) or options.seconds or options.rate != RATE):
        parser.error("--write is for all faults in full length and at the usual rate")
    return options


def main() -> int:
    options = _options()
    if missing := lacking():
        say(f"Not measured: this machine lacks {missing}.")
        return 1
    interrupt_on_sigterm()
    load = load_before()
    try:
        if options.what:
            return run_upgrade(options.rate, options.logs)
        found = run(
            [fault for fault in FAULTS if fault.name in options.only], seconds=options.seconds, rate=options.rate
        )
    except KeyboardInterrupt:
        say("Stopped")
        return 130
    if options.write:
        text = report.PAGE.read_text(encoding="utf-8")
        report.PAGE.write_text(report.page_with(text, found, machine(load)), encoding="utf-8")
    return report.printed(found)


if __name__ == "__main__":
    sys.exit(main())
