"""Shared parts of benchmark reports: tables, and the description of the machine."""

import os
import platform
import re
import signal
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil

from benchmarks.world import World

RESULTS = Path(__file__).parent / "results"


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def interrupt_on_sigterm() -> None:
    """Let SIGTERM raise KeyboardInterrupt, as Ctrl-C does, so that the servers of a benchmark are stopped."""

    def interrupt(*_signal: Any) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)


def load_before() -> float:
    """The load average. Prints a warning when it is high."""
    load = os.getloadavg()[0]
    if load > 0.5:
        say(f"The load average is {load:.1f}: other programs will distort the figures.")
    return load


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def between(text: str, begin: str, end: str, content: str) -> str:
    """The page `text` with `content` between its marks. Raises ValueError unless it has the marks once."""
    made = f"{begin}\n\n{content}\n\n{end}"
    changed, count = re.subn(f"{re.escape(begin)}.*{re.escape(end)}", lambda _: made, text, flags=re.DOTALL)
    if count != 1:
        raise ValueError(f"the page needs the marks {begin} and {end} once")
    return changed


def machine(load_before: float) -> str:
    return f"{datetime.now(UTC):%Y-%m-%d}, {hardware()}, load average before the run {load_before:.1f}."


def machine_of(world: World, *, packages: Sequence[str], load_before: float) -> str:
    """The machine and the versions, as two items of a Markdown list."""
    with world.connect() as connection:
        postgresql = connection.info.server_version
    versions = ", ".join(f"{name} {version(name)}" for name in packages)
    return f"""\
- {datetime.now(UTC):%Y-%m-%d}; {hardware()};
  load average before the run {load_before:.1f}.
- Python {platform.python_version()}, PostgreSQL {postgresql // 10000}.{postgresql % 10000} (as embedded, Unix socket);
  {versions}."""


def hardware() -> str:
    return f"{_cpu_model()}, {os.cpu_count()} cores, {psutil.virtual_memory().total / 2**30:.0f} GiB"


def _cpu_model() -> str:
    with suppress(OSError, StopIteration):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return platform.processor() or platform.machine()


def write(report: str, name: str) -> None:
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / name
    path.write_text(report + "\n", encoding="utf-8")
    say(f"\nWritten to {os.path.relpath(path)}")
