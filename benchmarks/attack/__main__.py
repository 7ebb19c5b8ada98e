"""`make attack`: attack the service on this machine, and compare the effect on other clients with commit c9fa88f.

Loopback only, bounded in time and memory. Ends with 1 when a bound is broken.
"""

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.attack import report
from benchmarks.attack.attacks import ATTACKS, BY_NAME, Attack
from benchmarks.attack.measuring import Figures, measured
from benchmarks.attack.service import place
from benchmarks.report import interrupt_on_sigterm, load_before, machine, say
from benchmarks.world import ROOT

GIBIBYTE = 2**30


def run(attacks: Sequence[Attack], checkout: Path, *, long: bool, memory_limit: int) -> dict[str, Figures | None]:
    """The figures of each attack. The service is restarted for each, with the same database."""
    found: dict[str, Figures | None] = {}
    with place(checkout) as made:
        for attack in attacks:
            seconds = attack.long if long and attack.long else attack.seconds
            figures = measured(attack, made, seconds=seconds, memory_limit=memory_limit)
            found[attack.name] = figures
            say(f"{attack.title}: {_summary(attack, figures)}")
    return found


def _summary(attack: Attack, figures: Figures | None) -> str:
    if figures is None:
        return report.NO_NGINX
    problems = "; ".join(report.broken(attack, figures))
    return f"BROKEN: {problems}" if problems else f"held; {figures.text}"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.attack", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=list(BY_NAME), default=list(BY_NAME), metavar="ATTACK")
    parser.add_argument("--long", action="store_true", help="slow connections for 60 s each")
    parser.add_argument("--write", action="store_true", help="write the table of all attacks to docs/security.md")
    parser.add_argument("--checkout", type=Path, default=ROOT, help="attack the service of another checkout")
    parser.add_argument("--save", type=Path, help="save the figures to this file instead of comparing them")
    parser.add_argument(
        "--memory-limit",
        type=float,
        default=8.0,
        metavar="GIB",
        help="kill the service above this memory (8)",
    )
    options = parser.parse_args()
    if options.write and (len(options.only) < len(ATTACKS) or options.checkout != ROOT):
        parser.error("--write is for all attacks on this checkout")
    return options


def _commit(checkout: Path) -> str:
    command = ["git", "-C", str(checkout), "rev-parse", "--short", "HEAD"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


def main() -> int:
    options = _options()
    interrupt_on_sigterm()
    load = load_before()
    attacks = [attack for attack in ATTACKS if attack.name in options.only]
    try:
        found = run(attacks, options.checkout, long=options.long, memory_limit=int(options.memory_limit * GIBIBYTE))
    except KeyboardInterrupt:
        say("Stopped")
        return 130
    made = report.Run(_commit(options.checkout), machine(load), found)
    if options.save:
        report.saved(made, options.save)
        return 0
    if options.write:
        text = report.PAGE.read_text(encoding="utf-8")
        report.PAGE.write_text(report.page_with(text, report.loaded(), made), encoding="utf-8")
    return report.printed(made)


if __name__ == "__main__":
    sys.exit(main())
