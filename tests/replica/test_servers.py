"""Server processes with a primary and a replica that is paused, killed, stopped and promoted."""

import json
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from random import Random
from typing import Any
from urllib.parse import urlencode

import pytest

from accounts.models import User
from tests.conftest import token_of
from tests.patience import wait_until
from tests.replica.pair import Pair
from tests.replica.standing import person
from tests.servers import Server, running_server
from tests.streams import STREAMS, make_stream

pytestmark = pytest.mark.timeout(280)

OPERATIONS_TOKEN = "o" * 40


@pytest.fixture(scope="module")
def servers(made_pair: Pair) -> Iterator[tuple[Server, Server]]:
    """Two servers with one process each, so that what one of them knows is not what the other knows."""
    environment = {
        "DATABASE_REPLICA_URL": made_pair.replica.url,
        # Time for some calls on a busy machine before a paused replica is left out.
        "DATABASE_REPLICA_MAX_LAG_SECONDS": "8",
        "OPERATIONS_TOKEN": OPERATIONS_TOKEN,
    }
    url = made_pair.primary.url
    with (
        running_server(workers=1, database=url, **environment) as first,
        running_server(workers=1, database=url, **environment) as second,
    ):
        yield first, second


def state(server: Server) -> dict[str, Any]:
    found: dict[str, Any] = server.call("GET", "/readyz", token=OPERATIONS_TOKEN).json()["data"]["replica"]
    return found


def until_read(*servers: Server, is_read: bool = True) -> None:
    for server in servers:
        wait_until(lambda server=server: state(server)["isRead"] is is_read)  # type: ignore[misc]


def titles(server: Server, token: str, **query: Any) -> list[str]:
    answer = server.call("GET", f"{STREAMS}?{urlencode(query | {'limit': 100})}", token=token)
    assert answer.status == 200, answer.body
    return [each["title"] for each in answer.json()["data"]["list"]]


def create(server: Server, token: str, title: str) -> str:
    answer = server.call("POST", f"{STREAMS}/create", token=token, body={"title": title})
    assert answer.status == 201, answer.body
    stream_id: str = answer.json()["data"]["id"]
    return stream_id


def test_a_writer_always_sees_its_writes_through_another_server(servers: tuple[Server, Server], on_pair: Pair) -> None:
    """Whatever the replica does: the replay is paused and resumed between random writes and reads."""
    random = Random(43)
    writers: list[tuple[User, str]] = [(user, token_of(user)) for user in (person() for _ in range(4))]
    mine: dict[str, dict[str, str]] = {user.pk: {} for user, _ in writers}
    until_read(*servers)
    is_paused = False
    for step in range(120):
        user, token = random.choice(writers)
        written = mine[user.pk]
        writing, listing = random.sample(servers, 2)
        match random.randrange(4):
            case 0:
                title = f"Stream {step}"
                written[create(writing, token, title)] = title
            case 1 if written:
                stream_id = random.choice(list(written))
                written[stream_id] = f"Renamed {step}"
                answer = writing.call(
                    "PATCH", f"{STREAMS}/{stream_id}", token=token, body={"title": written[stream_id]}
                )
                assert answer.status == 200
            case 2 if written:
                stream_id = random.choice(list(written))
                del written[stream_id]
                assert writing.call("DELETE", f"{STREAMS}/{stream_id}", token=token).status == 200
        if step % 15 == 14:
            is_paused = not is_paused
            on_pair.replica.execute(f"SELECT pg_wal_replay_{'pause' if is_paused else 'resume'}()")
        assert sorted(titles(listing, token, creatorId=user.pk)) == sorted(written.values())


def test_both_servers_read_the_replica_and_leave_it_out_when_it_is_late(
    servers: tuple[Server, Server], on_pair: Pair
) -> None:
    first, second = servers
    reader, creator = token_of(person()), person()
    until_read(first, second)
    on_pair.pause()
    make_stream(creator, title="Not replayed")

    assert titles(first, reader, creatorId=creator.pk) == []
    assert titles(second, reader, creatorId=creator.pk) == []
    until_read(first, second, is_read=False)
    assert titles(first, reader, creatorId=creator.pk) == ["Not replayed"]
    assert state(first)["problem"] == "it is late"
    on_pair.replay()
    until_read(first, second)


@pytest.mark.parametrize("failure", ["killed", "stopped", "promoted"])
def test_a_failing_replica_fails_no_call(failure: str, servers: tuple[Server, Server], on_pair: Pair) -> None:
    reader, creator = token_of(person()), person()
    until_read(*servers)
    match failure:
        case "killed":
            on_pair.replica.kill()
        case "stopped":
            on_pair.replica.signal(signal.SIGSTOP)
        case "promoted":
            on_pair.replica.promote()
    # More calls at once than a process has connections.
    with ThreadPoolExecutor(24) as threads:
        is_read = True
        while is_read:
            calls = [threads.submit(titles, server, reader, creatorId=creator.pk) for server in servers * 12]
            assert [call.result() for call in calls] == [[]] * len(calls)
            is_read = any(state(server)["isRead"] for server in servers)
    make_stream(creator, title="On the primary")
    for server in servers:
        assert titles(server, reader, creatorId=creator.pk) == ["On the primary"]

    on_pair.heal()
    until_read(*servers)


def test_a_server_forks_without_the_thread_and_each_process_checks_for_itself(on_pair: Pair) -> None:
    environment = {"DATABASE_REPLICA_URL": on_pair.replica.url, "OPERATIONS_TOKEN": OPERATIONS_TOKEN}
    with running_server(workers=2, database=on_pair.primary.url, **environment) as server:
        token = token_of(person())
        for _ in range(20):
            titles(server, token)
        until_read(server)
        assert json.loads(server.call("GET", "/readyz").body)["data"] == {"status": "ready"}
