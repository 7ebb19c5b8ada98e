"""Every operation through a real server behind PgBouncer in transaction mode, as docs/connections.md configures it."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from django.conf import global_settings
from django.test import override_settings
from django.utils import timezone
from django.utils.datastructures import CaseInsensitiveMapping

from common.postgres.bounded import BoundedConnection
from tests.api.furnishing import furnish, join_early
from tests.api.operations import Operation, World, assert_documented, operations, world_for
from tests.backends import backends
from tests.bans.people import make_ban, permitted
from tests.conftest import PASSWORD, make_user, token_of
from tests.flush import flush
from tests.patience import wait_until
from tests.poolers import environment_behind, keeps_statements, needs_pgbouncer, pgbouncer
from tests.server.test_waits import LONGEST_ANSWER, Timed, locked_table
from tests.servers import Server, direct_place, running_server, terminated_connections
from tests.streams import make_stream

pytestmark = [pytest.mark.django_db(transaction=True), needs_pgbouncer, pytest.mark.timeout(600)]


class OverHTTP:
    """As the test client, for a server."""

    def __init__(self, server: Server) -> None:
        self.server = server

    def generic(self, method: str, path: str, raw: bytes, content_type: str, **environ: str) -> Any:
        named = {name.removeprefix("HTTP_").replace("_", "-"): value for name, value in environ.items()}
        answer = self.server.send(method, path, raw, {"Content-Type": content_type} | named)
        return SimpleNamespace(
            status_code=answer.status,
            headers=CaseInsensitiveMapping(answer.headers),
            content=answer.body,
            json=lambda: json.loads(answer.body),
        )


def world_at(server: Server, operation: Operation) -> World:
    """As the tests of tests/api make it, with committed rows."""
    now = timezone.now()
    world = world_for(operation, lambda: OverHTTP(server), make_user("creator"), make_user("stranger"))  # type: ignore[arg-type, return-value]
    join_early(now)
    furnish(world, operation, now)
    if str(operation) == "loginAuthV1":
        with override_settings(PASSWORD_HASHERS=global_settings.PASSWORD_HASHERS):  # tests have a cheap one
            world.creator.set_password(PASSWORD)
            world.creator.save()
    return world


def test_every_operation_succeeds() -> None:
    failed = {}
    with pgbouncer() as port, running_server(workers=1, **environment_behind(port)) as server:
        for operation in operations():
            world = world_at(server, operation)
            first = world.call(operation)
            if first.status_code >= 400:
                failed[str(operation)] = (first.status_code, first.content)
            else:
                assert_documented(first, operation)
            # The second call finds its statements prepared, perhaps on another connection. A change may be a conflict.
            second = world.call(operation)
            if second.status_code >= 500:
                failed[f"{operation}, again"] = (second.status_code, second.content)
            flush()
    assert failed == {}


def test_a_poll_learns_of_a_ban_and_processes_share_the_connections_of_the_pooler() -> None:
    creator, viewer, edge = make_user("creator"), make_user("viewer"), permitted("edge", "enforce")
    stream, token = make_stream(creator), token_of(edge)
    address = f"/api/v1/live-stream/{stream.pk}/revocations"
    with (
        pgbouncer(default_pool_size="2") as port,
        running_server(workers=2, **environment_behind(port)) as server,
        ThreadPoolExecutor(8) as threads,
    ):
        since = server.call("GET", address, token=token).json()["data"]["cursor"]
        polls = [threads.submit(server.call, "GET", f"{address}?since={since}", token=token) for _ in range(4)]
        reads = [threads.submit(server.call, "GET", "/api/v1/users/me", token=token) for _ in range(100)]
        assert {each.result().status for each in reads} == {200}
        assert backends("application_name ~ 'serve$' AND query !~ 'LISTEN'") <= 2
        make_ban(viewer, stream)
        for poll in polls:
            assert [each["userId"] for each in poll.result().json()["data"]["list"]] == [viewer.pk]


@pytest.mark.parametrize("connect_query", ["", "SELECT 1"], ids=["with limits", "without limits"])
def test_calls_on_a_locked_table_end_in_time_and_leave_no_statement_behind(connect_query: str) -> None:
    creator = make_user("creator")
    path, token = f"/api/v1/live-stream/{make_stream(creator).pk}", token_of(creator)
    changed = {"connect_query": connect_query} if connect_query else {}
    with (
        pgbouncer(**changed) as port,
        running_server(workers=1, **environment_behind(port)) as server,
        locked_table("livestreams_livestream", seconds=120),
    ):
        answers = Timed([lambda: server.call("GET", path, token=token)] * 10)
        assert answers.statuses == {503: 10}
        answers.assert_unavailable_in_the_envelope()
        assert answers.longest < LONGEST_ANSWER
        # Without limits in the pooler only a request to cancel ends them. A pooler that keeps no prepared statements
        # gets none, because version 1.18 crashes after thousands.
        if not connect_query or keeps_statements():
            wait_until(lambda: backends("wait_event_type = 'Lock'") == 0, seconds=60)
    wait_until(lambda: backends("wait_event_type = 'Lock'") == 0)


@pytest.mark.parametrize(
    "command",
    [BoundedConnection.commit, BoundedConnection.rollback, lambda session: session.execute("SELECT 1")],
    ids=["commit", "rollback", "statement"],
)
def test_a_connection_that_ends_in_a_transaction_is_lost_whatever_comes_next(
    command: Callable[[BoundedConnection], object],
) -> None:
    with pgbouncer() as port:
        place = direct_place()
        session = BoundedConnection.connect(host="127.0.0.1", port=port, user=place["user"], dbname=place["dbname"])
        with closing(session):
            session.execute("SELECT 1")
            terminated_connections()  # those of the pooler
            with pytest.raises(psycopg.OperationalError):
                command(session)
            assert session.closed


def test_after_a_restart_of_the_pooler_calls_succeed() -> None:
    creator = make_user("creator")
    token = token_of(creator)
    with pgbouncer() as port, running_server(workers=1, **environment_behind(port)) as server:
        assert server.call("GET", "/api/v1/users/me", token=token).status == 200
        terminated_connections()  # those of the pooler
        assert server.call("GET", "/api/v1/users/me", token=token).status == 200
        assert server.call("GET", "/readyz").status == 200
