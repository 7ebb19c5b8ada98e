"""`make bench-process`: memory of a server process over its life, and the time of starts and of big migrations."""

import argparse
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from time import perf_counter, sleep

import psutil

from benchmarks import load, report
from benchmarks.growth.rows import Size, fill_in_bulk
from benchmarks.load import Asked
from benchmarks.loading import world
from benchmarks.report import say
from benchmarks.stacks import KUMANDA, Running, running
from benchmarks.world import ROOT, World

FEW, MANY = 1_000, 100_000  # requests that one process has answered
CONNECTIONS = 8
STARTS = 5
# Apps with the migration before the first that builds an index of a table that grows.
MIGRATED = {"livestreams": "0001", "bans": "0002"}
BIG = Size(users=100_000, streams=1_000_000, bans=1_000_000, viewers=0)
ONE_PROCESS = replace(KUMANDA, command=[*KUMANDA.command[:-1], "1"])
PACKAGES = ("Django", "psycopg", "granian")
GOAL = 1.05

INTRODUCTION = """# A server process over its life

Written by `make bench-process`."""
EXPLANATION = f"""\
- Memory: the proportional set size of the one server process, after {FEW:,} and after {MANY:,} requests over
  {CONNECTIONS} connections: reads of a stream, pages of the list and searches, checks of bans, joins, reminders, and
  refused calls.
- Starts: medians of {STARTS}. A server counts as started when it has answered a call that reads the database.
- Migrations: the indexes of these apps are removed and built again by `manage.py migrate`, which reads the tables
  and does not block writers."""


# --- memory ---------------------------------------------------------------------------------------


def requests_of(loaded: World) -> list[Asked]:
    """A mix of reads, writes and refusals. None changes what a later one is answered."""
    asked: list[Asked] = []
    for host, live, planned, ban in zip(
        loaded.hosts, loaded.having("active"), loaded.having("scheduled"), loaded.bans_in("holding"), strict=False
    ):
        checked = f"/api/v1/live-stream-ban/check/{ban.target.id}?liveStreamId={ban.stream.id}"
        asked += [
            Asked("GET", f"/api/v1/live-stream/{live.id}", host.token),
            Asked("GET", "/api/v1/live-stream?limit=20", host.token),
            Asked("GET", "/api/v1/live-stream?search=konser", host.token),
            Asked("GET", checked, ban.stream.creator.token),
            Asked("POST", "/api/v1/live-stream/join", host.token, f'{{"liveStreamId": "{live.id}"}}'),
            Asked("POST", f"/api/v1/live-stream/{planned.id}/reminder", host.token, '{"minute": null}'),
            Asked("POST", f"/api/v1/live-stream/{live.id}/cancel", host.token),
            Asked("GET", "/api/v1/live-stream?limit=0", host.token),
            Asked("GET", f"/api/v1/live-stream/{live.id}", "no token"),
        ]
    return asked


def serving_process(server: Running) -> psutil.Process:
    """The process of the server that answers requests: the largest one."""
    return max(server.process.children(recursive=True), key=lambda child: child.memory_info().rss)


def memory_over_life(loaded: World) -> tuple[float, float]:
    """MiB after `FEW` and after `MANY` requests."""
    found = []
    with running([ONE_PROCESS], loaded) as (server,):
        mix, answered = requests_of(loaded), 0
        for count in (FEW, MANY):
            while answered < count:
                asked = (mix * (count // len(mix) + 1))[: min(count - answered, 20_000)]
                done = load.measured(server.port, asked, seconds=600, connections=CONNECTIONS, once=True)
                if any(status.startswith("5") for status in done.statuses):
                    raise RuntimeError(f"the server failed: {done.statuses}")
                answered += done.count
            sleep(1)
            found.append(serving_process(server).memory_full_info().pss / 2**20)
            say(f"{found[-1]:.1f} MiB after {answered:,} requests")
    return found[0], found[1]


# --- starts ---------------------------------------------------------------------------------------


def median_of(measure: Callable[[], float]) -> float:
    return statistics.median(measure() for _ in range(STARTS))


def start_server(loaded: World) -> float:
    """Seconds until it answers."""
    began = perf_counter()
    with running([ONE_PROCESS], loaded):
        return perf_counter() - began


def run_command(loaded: World, *arguments: str) -> float:
    """Seconds of a management command. Raises CalledProcessError."""
    began = perf_counter()
    subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env=loaded.environment | {"DJANGO_SETTINGS_MODULE": "config.settings"},
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return perf_counter() - began


# --- migrations -----------------------------------------------------------------------------------


def migration_times(loaded: World) -> Iterator[tuple[str, float]]:
    """Each migrated app with the seconds that its migrations take on `BIG`."""
    with loaded.connect() as connection, connection.cursor() as cursor:
        say(f"Loading {BIG}")
        fill_in_bulk(cursor, BIG)
    for app, before in MIGRATED.items():
        run_command(loaded, "migrate", app, before)
        yield app, run_command(loaded, "migrate", app)


# --- the report -----------------------------------------------------------------------------------


def main() -> int:
    argparse.ArgumentParser(prog="python -m benchmarks.process", description=__doc__).parse_args()
    load_before = report.load_before()
    report.interrupt_on_sigterm()
    with world(users=1_000, streams=5_000, bans=5_000) as loaded:
        few, many = memory_over_life(loaded)
        rows = [
            ["memory of a process", f"{few:.0f} MiB", f"after {FEW:,} requests"],
            ["", f"{many:.0f} MiB", f"after {MANY:,} requests: {many / few:.3f} × (goal ≤ {GOAL})"],
            ["start of a server", f"{median_of(lambda: start_server(loaded)):.1f} s", ""],
            ["`manage.py check`", f"{median_of(lambda: run_command(loaded, 'check')):.1f} s", ""],
            ["`manage.py migrate`", f"{median_of(lambda: run_command(loaded, 'migrate')):.1f} s", "nothing to do"],
        ]
        for app, seconds in migration_times(loaded):
            rows.append([f"migrations of `{app}`", f"{seconds:.1f} s", f"{BIG.streams:,} streams, {BIG.bans:,} bans"])
        machine = report.machine_of(loaded, packages=PACKAGES, load_before=load_before)
    text = "\n\n".join([INTRODUCTION, report.table(["", "", ""], rows), "## How", f"{EXPLANATION}\n{machine}"])
    print(text)
    report.write(text, "process.md")
    return os.EX_OK


if __name__ == "__main__":
    sys.exit(main())
