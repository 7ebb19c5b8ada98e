"""The stacks of `make bench-quick` with little data: equal responses, and known numbers of statements."""

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from benchmarks import same_work
from benchmarks.load import Asked, measured
from benchmarks.loading import world
from benchmarks.stacks import STACKS, Running, running
from benchmarks.world import Stream, World

pytestmark = pytest.mark.peers

type Servers = dict[str, Running]

STATEMENT = re.compile(r"LOG:  (?:statement|execute [^:]+): ")

# What each stack sends to PostgreSQL for one request, BEGIN and COMMIT included.
ASKED = (
    *("read", "list", "cancel", "start", "join"),
    *("check, not banned", "check, banned", "ban list", "ban", "lift", "remind"),
)
# Kumanda also keeps the number of viewers of each active stream.
STATEMENTS = {
    # Without the statement that counts changes, which a process runs once for up to ten of them.
    "kumanda": dict(zip(ASKED, (2, 2, 8, 9, 3, 2, 3, 3, 9, 7, 7), strict=True)),
    "bare": dict(zip(ASKED, (2, 2, 8, 8, 3, 2, 3, 3, 9, 7, 7), strict=True)),
    "fastapi": dict(zip(ASKED, (2, 3, 7, 7, 3, 3, 3, 4, 11, 10, 8), strict=True)),
    "drf": dict(zip(ASKED, (7, 18, 9, 9, 14, 4, 6, 26, 14, 13, 15), strict=True)),
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
def _undo_changes(small_world: World) -> Iterator[None]:
    yield
    small_world.undo_changes()
    small_world.undo_lifts()
    small_world.undo_bans()
    small_world.undo_joins()
    small_world.undo_reminders()


def test_a_stack_does_not_inherit_the_shell_environment(small_world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    # When this variable was inherited, "DRF out of the box" was Kumanda itself.
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "config.settings")
    monkeypatch.setenv("GRANIAN_WORKERS", "7")
    assert small_world.environment.keys().isdisjoint({"DJANGO_SETTINGS_MODULE", "GRANIAN_WORKERS"})


def test_all_stacks_return_equal_responses_and_write_equal_rows(small_world: World, servers: Servers) -> None:
    assert same_work.check(small_world, list(servers.values())) > 200


def test_a_stack_with_another_response_is_detected(small_world: World, servers: Servers) -> None:
    class Forgetful(Running):
        def ask(self, asked: Asked) -> tuple[int, bytes]:
            status, body = super().ask(asked)
            return status, body.replace(b'"availabilityStatus":"busy"', b'"availabilityStatus":"offline"')

    bare = servers["bare"]
    forgetful = Forgetful(replace(bare.stack, title="forgetful"), bare.port, bare.process)
    with pytest.raises(same_work.Unequal, match=r"forgetful differ:\n.*availabilityStatus: 'busy' and 'offline'"):
        same_work.check(small_world, [bare, forgetful])


@pytest.mark.parametrize("name", STATEMENTS)
def test_each_stack_sends_the_expected_number_of_statements(small_world: World, servers: Servers, name: str) -> None:
    caller, scheduled = small_world.hosts[0], small_world.having("scheduled")
    chosen, awaited = scheduled[:12], scheduled[12:24]
    startable = _startable(small_world, scheduled[24:-12])
    new_bans = [
        (stream, host) for stream in scheduled[-12:] for host in small_world.hosts if host.id not in stream.members
    ]
    bans = small_world.bans_in("holding")[:12]
    live = small_world.having("active")[0]
    viewers = [host for host in small_world.hosts if host.id not in live.members]

    def fewest(requests: Callable[[int], Asked], times: int = 12) -> int:
        # The minimum, because a new connection also queries types and versions.
        return min(statements_of(small_world, servers[name], requests(number)) for number in range(times))

    assert {
        "read": fewest(lambda _: same_work.read_of(chosen[0], caller)),
        "list": fewest(lambda _: same_work.live_now(caller)),
        "cancel": fewest(lambda number: same_work.cancel_of(chosen[number])),
        "start": fewest(lambda number: same_work.start_of(startable[number]), times=len(startable)),
        "join": fewest(lambda number: same_work.join_of(live, viewers[number]), times=len(viewers)),
        "check, not banned": fewest(lambda _: same_work.check_of(caller, bans[0].stream)),
        "check, banned": fewest(lambda _: same_work.check_of(bans[0].target, bans[0].stream)),
        "ban list": fewest(lambda _: same_work.bans_of(caller)),
        "ban": fewest(lambda number: same_work.ban_of(*new_bans[number])),
        "lift": fewest(lambda number: same_work.lift_of(bans[number])),
        "remind": fewest(lambda number: same_work.remind_of(awaited[number], caller)),
    } == STATEMENTS[name]


def _startable(world: World, scheduled: list[Stream]) -> list[Stream]:
    """One of the streams of each creator who has no active one."""
    active = {stream.creator.id for stream in world.having("active")}
    return list({one.creator.id: one for one in scheduled if one.creator.id not in active}.values())


def statements_of(world: World, server: Running, asked: Asked) -> int:
    log = world.server_folder / "postgres.log"
    start = log.stat().st_size
    status, _ = server.ask(asked)
    assert status in (200, 201)
    time.sleep(0.01)  # statements after the response count too
    with log.open("rb") as lines:
        lines.seek(start)
        return len(STATEMENT.findall(lines.read().decode()))


def test_no_caller_is_banned_and_every_host_has_bans(small_world: World) -> None:
    hosts = {host.id for host in small_world.hosts}
    assert hosts.isdisjoint(ban.target.id for ban in small_world.bans)
    assert len(small_world.bans_in("holding")) == 800
    assert {ban.stream.creator.id for ban in small_world.bans_in("holding")} == hosts


def test_the_load_generator_counts_every_response(small_world: World, servers: Servers) -> None:
    scheduled = small_world.having("scheduled")[:50]
    requests = [same_work.cancel_of(stream) for stream in scheduled]
    answered = measured(servers["bare"].port, requests, seconds=30, connections=8, once=True)
    assert (answered.count, answered.statuses) == (50, {"200": 50})
    assert 0 < answered.p50 <= answered.p99
    assert small_world.undo_changes() == 50


def test_the_load_generator_counts_responses_by_status(small_world: World, servers: Servers) -> None:
    ended = same_work.cancel_of(small_world.having("ended")[0])
    unknown = replace(ended, path=ended.path.replace(ended.path.split("/")[-2], "f" * 24))
    answered = measured(servers["bare"].port, [ended, unknown], seconds=30, connections=2, once=True)
    assert answered.statuses == {"409": 1, "404": 1}
