"""The table of the attacks in Markdown, and the list of broken bounds."""

import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks import report
from benchmarks.attack.attacks import ATTACKS, HEALTH_P99, MEMORY_BACK, Attack
from benchmarks.attack.measuring import Figures
from benchmarks.world import ROOT

BEFORE = Path(__file__).with_name("before.json")
PAGE = ROOT / "docs" / "security.md"
BEGIN, END = "<!-- the table of make attack begins -->", "<!-- the table of make attack ends -->"
HEAD = (
    "attack",
    *("`/healthz` p99, ms: before", "now"),
    *("failed ordinary calls: before", "now"),
    *("peak memory, MB: before", "now"),
)
NO_NGINX = "nginx not installed"


@dataclass(frozen=True)
class Run:
    """The figures of one checkout by the names of the attacks; None for those that could not run."""

    commit: str
    machine: str
    figures: Mapping[str, Figures | None]


# --- bounds ---------------------------------------------------------------------------------------


def broken(attack: Attack, figures: Figures) -> Iterator[str]:
    """Describe each bound that the figures break."""
    if figures.stopped:
        yield f"the attack was stopped: {figures.stopped}"
    if figures.health_p99 is None or figures.health_p99 >= HEALTH_P99:
        yield f"/healthz p99 {_p99(figures)} ms, allowed {HEALTH_P99:.0f}"
    if figures.calls_failed:
        failures = ", ".join(f"{name} × {count}" for name, count in sorted(figures.failures.items()))
        yield f"{figures.calls_failed} of {figures.calls_asked} ordinary calls failed ({failures})"
    if attack.limit is not None and not figures.stopped and (figures.value is None or figures.value > attack.limit):
        yield f"{figures.text} (allowed {attack.limit:g})"
    if attack.memory_back and figures.memory_after > MEMORY_BACK * figures.memory_before:
        before, after = figures.memory_before / 1e6, figures.memory_after / 1e6
        yield f"memory {after:,.0f} MB afterwards, before it {before:,.0f} MB, allowed {MEMORY_BACK:.0%} of that"


def all_broken(run: Run) -> list[str]:
    return [
        f"{attack.title}: {problem}"
        for attack in ATTACKS
        if (figures := run.figures.get(attack.name)) is not None
        for problem in broken(attack, figures)
    ]


# --- the table ------------------------------------------------------------------------------------


def table(before: Run, now: Run) -> str:
    """The figures of `now` next to those of `before`."""
    answers = report.table(_ANSWERS, _answers(before, now)).replace("---:", "---", 2)
    return report.table(HEAD, _rows(before, now)) + "\n\n" + answers


_ANSWERS = ("attack", "what the attacker got, before", "now")


def _rows(before: Run, now: Run) -> Iterator[list[str]]:
    for attack, old, new in _pairs(before, now):
        pairs = zip(_cells(old), _cells(new), strict=True)
        yield [attack.title, *(cell for pair in pairs for cell in pair)]


def _answers(before: Run, now: Run) -> Iterator[list[str]]:
    for attack, old, new in _pairs(before, now):
        yield [attack.title, _text(old, attack), _text(new, attack)]


def _pairs(before: Run, now: Run) -> Iterator[tuple[Attack, Figures | None, Figures | None]]:
    for attack in ATTACKS:
        if attack.name in now.figures:
            yield attack, before.figures.get(attack.name), now.figures[attack.name]


def _cells(figures: Figures | None) -> list[str]:
    if figures is None:
        return ["–"] * 3
    peak = f"{figures.memory_peak / 1e6:,.0f}"
    failed = f"{figures.calls_failed} of {figures.calls_asked}"
    return [_p99(figures), failed, f"over {peak}" if figures.stopped else peak]


def _p99(figures: Figures) -> str:
    return "no answer" if figures.health_p99 is None else f"{figures.health_p99:.0f}"


def _text(figures: Figures | None, attack: Attack) -> str:
    if figures is None:
        return NO_NGINX if attack.through_proxy else "–"
    memory = f"; memory {figures.memory_before / 1e6:,.0f} → {figures.memory_after / 1e6:,.0f} MB afterwards"
    return (figures.stopped or figures.text) + (memory if attack.memory_back and not figures.stopped else "")


def page_with(text: str, before: Run, now: Run) -> str:
    """The page `text` with the table between its marks. Raises ValueError when the marks are missing."""
    content = f"{table(before, now)}\n\nBefore: {before.commit}, {before.machine}\nNow: {now.machine}"
    return report.between(text, BEGIN, END, content)


# --- files --------------------------------------------------------------------------------------


def saved(run: Run, path: Path) -> None:
    path.write_text(json.dumps(asdict(run), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def loaded(path: Path = BEFORE) -> Run:
    read = json.loads(path.read_text(encoding="utf-8"))
    figures = {name: found and Figures(**found) for name, found in read.pop("figures").items()}
    return Run(figures=figures, **read)


def printed(now: Run) -> int:
    """Print the table and the broken bounds. Return the exit code."""
    print(table(loaded(), now))
    problems = all_broken(now)
    for problem in problems:
        print(f"BROKEN {problem}", file=sys.stderr)
    return 1 if problems else 0
