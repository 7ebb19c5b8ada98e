"""`make bench-quick`: requests about streams, bans and reminders, compared with peers that do the same work."""

import argparse
import random
import statistics
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from benchmarks import bulk, report, same_work
from benchmarks.load import Answered, Asked, measured
from benchmarks.loading import world
from benchmarks.report import say, table
from benchmarks.stacks import (
    BARE,
    DRF,
    FASTAPI,
    KUMANDA,
    STACKS,
    THREADS,
    WORKERS,
    Running,
    Stack,
    cpu_seconds,
    running,
)
from benchmarks.world import Person, Stream, World

USERS, STREAMS, BANS = 5_000, 20_000, 30_000  # so that about fifty bans of each creator hold
CONNECTIONS = 8
WARM_UP = 1.0  # seconds for each stack and endpoint
PACKAGES = ("granian", "Django", "djangorestframework", "psycopg", "fastapi", "sqlalchemy", "asyncpg", "uvicorn")


INTRODUCTION = """# Kumanda and its peers

Written by `make bench-quick`. Every stack checks the same token and its session, reads the same rows and returns the
same bodies. This is checked before anything is measured."""
EXPLANATION = """CPU is the CPU time of server and PostgreSQL for a request. *Bare* is a WSGI callable with psycopg and
orjson that runs Kumanda's SQL and does nothing else."""


@dataclass(frozen=True)
class Endpoint:
    """`requests` are sent one after the other and answered with `status`.

    With `undo`, each succeeds once, and `undo` restores the rows.
    """

    name: str
    about: str
    title: str
    requests: Callable[[World, random.Random], list[Asked]]
    undo: Callable[[World], int] | None = None
    status: int = 200


def reads(world: World, chance: random.Random) -> list[Asked]:
    return [same_work.read_of(chance.choice(world.streams), chance.choice(world.hosts)) for _ in range(2000)]


def lists_of_active(world: World, chance: random.Random) -> list[Asked]:
    return [same_work.live_now(chance.choice(world.hosts)) for _ in range(2000)]


def lists_of_creators(world: World, chance: random.Random) -> list[Asked]:
    return [same_work.streams_of(chance.choice(world.hosts), by=chance.choice(world.hosts)) for _ in range(2000)]


def cancels(world: World, chance: random.Random) -> list[Asked]:
    scheduled = world.having("scheduled")
    return [same_work.cancel_of(stream) for stream in chance.sample(scheduled, len(scheduled))]


def starts(world: World, chance: random.Random) -> list[Asked]:
    """One scheduled stream of each creator who has no active one: a creator can have one active stream."""
    active = {stream.creator.id for stream in world.having("active")}
    scheduled = {stream.creator.id: stream for stream in world.having("scheduled") if stream.creator.id not in active}
    return [same_work.start_of(stream) for stream in chance.sample(list(scheduled.values()), len(scheduled))]


def joins(world: World, chance: random.Random) -> list[Asked]:
    """Many viewers join the active streams, each once."""
    return [same_work.join_of(*pair) for pair in _strangers(world, world.having("active"), chance)]


def new_bans(world: World, chance: random.Random) -> list[Asked]:
    """Creators ban users from their scheduled streams, each once."""
    return [same_work.ban_of(*pair) for pair in _strangers(world, world.having("scheduled"), chance)]


def _strangers(world: World, streams: Sequence[Stream], chance: random.Random) -> list[tuple[Stream, Person]]:
    """At most 20,000 different pairs of a stream and a user who is neither its creator nor its guest."""
    count = len(streams) * len(world.hosts)
    numbers = chance.sample(range(count), min(20_000, count))
    pairs = [(streams[number % len(streams)], world.hosts[number // len(streams)]) for number in numbers]
    return [(stream, host) for stream, host in pairs if host.id not in stream.members]


def ban_checks(world: World, chance: random.Random) -> list[Asked]:
    """Checks as chat servers make them: one user in ten is banned."""
    bans = chance.choices(world.bans_in("holding"), k=2000)
    return [
        same_work.check_of(ban.target if number % 10 == 0 else chance.choice(world.hosts), ban.stream)
        for number, ban in enumerate(bans)
    ]


def ban_lists(world: World, chance: random.Random) -> list[Asked]:
    return [same_work.bans_of(chance.choice(world.hosts)) for _ in range(2000)]


def lifts(world: World, chance: random.Random) -> list[Asked]:
    holding = world.bans_in("holding")
    return [same_work.lift_of(ban) for ban in chance.sample(holding, min(len(holding), 10_000))]


def reminders(world: World, chance: random.Random) -> list[Asked]:
    """Reminders of many users for many streams, each pair once."""
    scheduled, hosts = world.having("scheduled"), world.hosts
    pairs = chance.sample(range(len(scheduled) * len(hosts)), 20_000)
    return [same_work.remind_of(scheduled[pair % len(scheduled)], hosts[pair // len(scheduled)]) for pair in pairs]


ENDPOINTS = (
    Endpoint("read", "streams", "stream read", reads),
    Endpoint("list", "streams", "list: live now", lists_of_active),
    Endpoint("creator", "streams", "list: one creator's", lists_of_creators),
    Endpoint("cancel", "streams", "cancel", cancels, undo=World.undo_changes),
    Endpoint("start", "streams", "start", starts, undo=World.undo_changes),
    Endpoint("join", "streams", "join", joins, undo=World.undo_joins),
    Endpoint("check", "bans", "ban check", ban_checks),
    Endpoint("bans", "bans", "ban list", ban_lists),
    Endpoint("ban", "bans", "ban", new_bans, undo=World.undo_bans, status=201),
    Endpoint("lift", "bans", "lift", lifts, undo=World.undo_lifts),
    Endpoint("remind", "reminders", "set reminder", reminders, undo=World.undo_reminders),
)


@dataclass(frozen=True, slots=True)
class Figures:
    """`cpu` is the CPU time of server and PostgreSQL, in milliseconds a request."""

    answered: Answered
    cpu: float


type Rounds = dict[tuple[str, str], list[Figures]]


# --- measuring ------------------------------------------------------------------------------------


def measure(
    world: World, servers: Sequence[Running], endpoints: Sequence[Endpoint], *, seconds: float, rounds: int
) -> Rounds:
    """The stacks alternate within each round, so that other load on the machine affects all of them."""
    found: Rounds = {(endpoint.name, server.stack.name): [] for endpoint in endpoints for server in servers}
    chance = random.Random(2026)
    for endpoint in endpoints:
        for server in servers:
            _measured_once(world, server, endpoint, chance, min(WARM_UP, seconds))
        for number in range(1, rounds + 1):
            line = []
            for server in servers:
                figures = _measured_once(world, server, endpoint, chance, seconds)
                found[endpoint.name, server.stack.name].append(figures)
                line.append(f"{server.stack.name} {figures.answered.rate:.0f}/s")
            say(f"{endpoint.title}, round {number} of {rounds}: {', '.join(line)}")
    return found


def _measured_once(world: World, server: Running, endpoint: Endpoint, chance: random.Random, seconds: float) -> Figures:
    requests = endpoint.requests(world, chance)
    database = world.server_process
    before = cpu_seconds(server.process) + cpu_seconds(database)
    answered = measured(server.port, requests, seconds=seconds, connections=CONNECTIONS, once=endpoint.undo is not None)
    cpu = cpu_seconds(server.process) + cpu_seconds(database) - before
    if set(answered.statuses) != {str(endpoint.status)}:
        raise same_work.Unequal(f"{server.stack.title} answered {endpoint.title} with {answered.statuses}")
    if endpoint.undo and (undone := endpoint.undo(world)) != answered.count:
        raise same_work.Unequal(f"{server.stack.title} answered {answered.count} times {endpoint.title}, made {undone}")
    return Figures(answered, cpu * 1000 / answered.count)


# --- the report -----------------------------------------------------------------------------------


def median(found: Rounds, endpoint: Endpoint, stack: Stack, of: Callable[[Figures], float]) -> float:
    return statistics.median(of(figures) for figures in found[endpoint.name, stack.name])


def ratio(found: Rounds, endpoint: Endpoint, one: Stack, other: Stack, of: Callable[[Figures], float]) -> float:
    """The median of the ratios of each round: a disturbance affects both values of a round."""
    pairs = zip(found[endpoint.name, one.name], found[endpoint.name, other.name], strict=True)
    return statistics.median(of(left) / of(right) for left, right in pairs)


def report_of(found: Rounds, endpoints: Sequence[Endpoint], raid: str, machine: str) -> str:
    """The whole report in Markdown."""
    parts = [INTRODUCTION]
    for about, some in groupby(endpoints, lambda endpoint: endpoint.about):
        parts += [f"## {about.capitalize()}", *tables(found, list(some))]
    return "\n\n".join([*parts, "## A raid", raid, "## How", EXPLANATION, machine])


def tables(found: Rounds, endpoints: Sequence[Endpoint]) -> list[str]:
    """Kumanda in relation to its peers, and the figures of all."""

    def rate(figures: Figures) -> float:
        return figures.answered.rate

    def p99(figures: Figures) -> float:
        return figures.answered.p99

    def cpu(figures: Figures) -> float:
        return figures.cpu

    def against(title: str, other: Stack, form: str, of: Callable[[Figures], float]) -> list[str]:
        return [title] + [f"{ratio(found, endpoint, KUMANDA, other, of):{form}}" for endpoint in endpoints]

    def absolutes() -> Iterator[list[str]]:
        for endpoint in endpoints:
            for stack in STACKS:
                rounds = found[endpoint.name, stack.name]
                rates = [figures.answered.rate for figures in rounds]
                yield [
                    f"{endpoint.title}: {stack.title}",
                    f"{median(found, endpoint, stack, rate):,.0f}",
                    f"{min(rates):,.0f} to {max(rates):,.0f}",
                    f"{median(found, endpoint, stack, lambda figures: figures.answered.p50):.1f}",
                    f"{median(found, endpoint, stack, p99):.1f}",
                    f"{median(found, endpoint, stack, cpu):.2f}",
                ]

    ratios = [
        against("requests/s over bare", BARE, ".2f", rate),
        against("requests/s × FastAPI + SQLAlchemy", FASTAPI, ".1f", rate),
        against("requests/s × DRF out of the box", DRF, ".1f", rate),
        against("p99 over bare", BARE, ".1f", p99),
        against("CPU a request over bare", BARE, ".2f", cpu),
    ]
    figures = ("", "requests/s", "lowest to highest", "p50 ms", "p99 ms", "CPU ms")
    return [
        table(["Kumanda", *(endpoint.title for endpoint in endpoints)], iter(ratios)),
        table(figures, absolutes()),
    ]


def machine_of(world: World, *, seconds: float, rounds: int, load_before: float) -> str:
    with world.connect() as connection:
        sizes = [
            connection.execute(f"SELECT count(*) FROM {name}").fetchone()  # constant names
            for name in ("accounts_user", "livestreams_livestream", "bans_livestreamban")
        ]
    users, streams, bans = (row[0] for row in sizes if row)
    return f"""\
{report.machine_of(world, packages=PACKAGES, load_before=load_before)}
- {users:,} users, {streams:,} streams, {bans:,} bans; {CONNECTIONS} connections, {WORKERS} worker processes each
  (Granian: {THREADS} threads a worker of the peers); medians of {rounds} alternating rounds of {seconds:g} s."""


# --- the command ----------------------------------------------------------------------------------


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quick", description=__doc__)
    parser.add_argument("--seconds", type=_positive_seconds, default=1.0, help="length of one measurement (1)")
    parser.add_argument("--rounds", type=_positive_rounds, default=5, help="measurements of each stack (5)")
    parser.add_argument(
        "--only",
        nargs="+",
        choices=[endpoint.name for endpoint in ENDPOINTS],
        help="measure these endpoints and leave the results file as it is",
    )
    return parser.parse_args()


def _positive_seconds(text: str) -> float:
    seconds = float(text)
    if not 0.1 <= seconds <= 60:
        raise argparse.ArgumentTypeError("must be between 0.1 and 60")
    return seconds


def _positive_rounds(text: str) -> int:
    rounds = int(text)
    if not 1 <= rounds <= 100:
        raise argparse.ArgumentTypeError("must be between 1 and 100")
    return rounds


def main() -> int:
    options = _options()
    endpoints = [endpoint for endpoint in ENDPOINTS if not options.only or endpoint.name in options.only]
    report.interrupt_on_sigterm()
    load_before = report.load_before()
    try:
        say(f"Loading {USERS:,} users, {STREAMS:,} streams and {BANS:,} bans")
        with world(users=USERS, streams=STREAMS, bans=BANS) as loaded, running(STACKS, loaded) as servers:
            say(f"Equal answers to {same_work.check(loaded, servers)} requests")
            found = measure(loaded, servers, endpoints, seconds=options.seconds, rounds=options.rounds)
            raid = bulk.report_of(loaded, next(server for server in servers if server.stack is KUMANDA))
            machine = machine_of(loaded, seconds=options.seconds, rounds=options.rounds, load_before=load_before)
    except KeyboardInterrupt:
        say("Stopped")
        return 130
    except same_work.Unequal as difference:
        say(f"Not measured, because the stacks do not do the same work.\n{difference}")
        return 1
    text = report_of(found, endpoints, raid, machine)
    print(text)
    if not options.only:
        report.write(text, "quick.md")
    return 0


if __name__ == "__main__":
    sys.exit(main())
