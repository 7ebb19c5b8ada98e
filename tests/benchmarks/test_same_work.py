"""The stacks of `make bench-quick` on a small world: equal answers, and no work that one of them saves."""

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from benchmarks import same_work
from benchmarks.load import Asked, measured
from benchmarks.loading import world
from benchmarks.stacks import STACKS, Running, running
from benchmarks.world import World

pytestmark = pytest.mark.peers

type Servers = dict[str, Running]

STATEMENT = re.compile(r"LOG:  (?:statement|execute [^:]+): ")

# What each stack sends to PostgreSQL for one request, BEGIN and COMMIT included.
ASKED = ("read", "list", "cancel", "check, not banned", "check, banned", "ban list", "lift", "remind")
STATEMENTS = {
    "kumanda": dict(zip(ASKED, (2, 2, 10, 2, 3, 3, 13, 7), strict=True)),
    "bare": dict(zip(ASKED, (2, 2, 10, 2, 3, 3, 13, 7), strict=True)),
    "fastapi": dict(zip(ASKED, (2, 3, 7, 3, 3, 4, 10, 8), strict=True)),
    "drf": dict(zip(ASKED, (7, 18, 9, 4, 6, 26, 13, 15), strict=True)),
}


@pytest.fixture(scope="module")
def small_world() -> Iterator[World]:
    with world(users=100, streams=500, bans=1000) as loaded:
        with loaded.connect() as connection:
            connection.execute("ALTER SYSTEM SET log_statement = 'all'")
            connection.execute("SELECT pg_reload_conf()")
        yield loaded


@pytest.fixture(scope="module")
def servers(small_world: World) -> Iterator[Servers]:
    with running(STACKS, small_world) as started:
        yield {server.stack.name: server for server in started}


@pytest.fixture(autouse=True)
def _what_a_test_changed_comes_back(small_world: World) -> Iterator[None]:
    yield
    small_world.undo_cancels()
    small_world.undo_lifts()
    small_world.undo_reminders()


def test_a_stack_is_not_swayed_by_the_shell(small_world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    # With this one inherited, "DRF out of the box" was Kumanda itself, and every body was equal.
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "config.settings")
    monkeypatch.setenv("GRANIAN_WORKERS", "7")
    assert small_world.environment.keys().isdisjoint({"DJANGO_SETTINGS_MODULE", "GRANIAN_WORKERS"})


def test_all_stacks_answer_refuse_and_record_alike(small_world: World, servers: Servers) -> None:
    assert same_work.check(small_world, list(servers.values())) > 200


def test_a_stack_with_another_answer_is_found_out(small_world: World, servers: Servers) -> None:
    class Forgetful(Running):
        def ask(self, asked: Asked) -> tuple[int, bytes]:
            status, body = super().ask(asked)
            return status, body.replace(b'"availabilityStatus":"busy"', b'"availabilityStatus":"offline"')

    bare = servers["bare"]
    forgetful = Forgetful(replace(bare.stack, title="forgetful"), bare.port, bare.process)
    with pytest.raises(same_work.Unequal, match=r"forgetful differ:\n.*availabilityStatus: 'busy' and 'offline'"):
        same_work.check(small_world, [bare, forgetful])


@pytest.mark.parametrize("name", STATEMENTS)
def test_the_statements_of_each_stack_are_known(small_world: World, servers: Servers, name: str) -> None:
    caller, scheduled = small_world.hosts[0], small_world.having("scheduled")
    chosen, awaited = scheduled[:12], scheduled[12:24]
    bans = small_world.bans_in("holding")[:12]

    def fewest(requests: Callable[[int], Asked]) -> int:
        # Of several, since a new connection first asks about types and versions.
        return min(statements_of(small_world, servers[name], requests(turn)) for turn in range(12))

    assert {
        "read": fewest(lambda _: same_work.read_of(chosen[0], caller)),
        "list": fewest(lambda _: same_work.live_now(caller)),
        "cancel": fewest(lambda turn: same_work.cancel_of(chosen[turn])),
        "check, not banned": fewest(lambda _: same_work.check_of(caller, bans[0].stream)),
        "check, banned": fewest(lambda _: same_work.check_of(bans[0].target, bans[0].stream)),
        "ban list": fewest(lambda _: same_work.bans_of(caller)),
        "lift": fewest(lambda turn: same_work.lift_of(bans[turn])),
        "remind": fewest(lambda turn: same_work.remind_of(awaited[turn], caller)),
    } == STATEMENTS[name]


def statements_of(world: World, server: Running, asked: Asked) -> int:
    log = world.server_folder / "postgres.log"
    start = log.stat().st_size
    status, _ = server.ask(asked)
    assert status == 200
    time.sleep(0.01)  # what a stack does after its answer counts too
    with log.open("rb") as lines:
        lines.seek(start)
        return len(STATEMENT.findall(lines.read().decode()))


def test_nobody_who_asks_is_banned_and_most_creators_have_pages_of_bans(small_world: World) -> None:
    hosts = {host.id for host in small_world.hosts}
    assert hosts.isdisjoint(ban.target.id for ban in small_world.bans)
    assert len(small_world.bans_in("holding")) == 800
    assert {ban.stream.creator.id for ban in small_world.bans_in("holding")} == hosts


def test_the_load_generator_counts_every_answer(small_world: World, servers: Servers) -> None:
    scheduled = small_world.having("scheduled")[:50]
    requests = [same_work.cancel_of(stream) for stream in scheduled]
    answered = measured(servers["bare"].port, requests, seconds=30, connections=8, once=True)
    assert (answered.count, answered.statuses) == (50, {"200": 50})
    assert 0 < answered.p50 <= answered.p99
    assert small_world.undo_cancels() == 50


def test_the_load_generator_tells_refusals_apart(small_world: World, servers: Servers) -> None:
    ended = same_work.cancel_of(small_world.having("ended")[0])
    unknown = replace(ended, path=ended.path.replace(ended.path.split("/")[-2], "f" * 24))
    answered = measured(servers["bare"].port, [ended, unknown], seconds=30, connections=2, once=True)
    assert answered.statuses == {"409": 1, "404": 1}
