"""The deadline of a thread: it ends waits for a connection, for a server to accept one, and for a statement."""

import socket
import time
from collections.abc import Callable, Iterator
from math import inf
from typing import Any

import psycopg
import pytest
from django.db import OperationalError

from common.direct import direct_connection
from common.postgres import deadlines
from common.postgres.base import DatabaseWrapper
from common.postgres.bounded import BoundedConnection, ServerSilent
from common.postgres.pool import NoConnectionFree, Pool
from tests.patience import PATIENCE

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _without_a_deadline_afterwards() -> Iterator[None]:
    yield
    deadlines.begin(inf)


def leave(seconds: float) -> None:
    deadlines.begin(time.monotonic() + seconds)


@pytest.fixture
def own(transactional_db: None) -> Iterator[DatabaseWrapper]:
    made = direct_connection()
    made.ensure_connection()
    yield made
    deadlines.begin(inf)
    made.close()


def run(own: DatabaseWrapper, statement: str) -> Any:
    with own.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchone()


def assert_ends(call: Callable[[], object], kind: type[Exception]) -> None:
    """It raises an error of `kind` although nothing else would end it before PATIENCE has passed."""
    started = time.monotonic()
    with pytest.raises(kind):
        call()
    assert time.monotonic() - started < PATIENCE


def test_a_thread_does_not_wait_for_a_connection_of_the_pool_beyond_its_deadline() -> None:
    pool = Pool(1, lambda: 2 * PATIENCE)
    held = pool.getconn(direct_connection()._opened)
    for seconds in (0.5, -1):
        leave(seconds)
        assert_ends(lambda: pool.getconn(direct_connection()._opened), NoConnectionFree)
    held.close()
    pool.putconn(held)


def test_a_server_that_accepts_no_connection_is_given_up_at_the_deadline() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        place = {"host": "127.0.0.1", "port": silent.getsockname()[1], "connect_timeout": 2 * PATIENCE}
        leave(0.5)
        assert_ends(lambda: BoundedConnection.connect(**place), psycopg.errors.ConnectionTimeout)


@pytest.mark.parametrize("seconds", [0.5, -1])
def test_a_statement_is_given_up_at_the_deadline_or_soon_after(seconds: float, own: DatabaseWrapper) -> None:
    own.connection.answer_seconds = 2 * PATIENCE
    own.connection.cancels = True  # else it would go on in the server
    run(own, "SELECT set_config('statement_timeout', '0', false)")
    leave(seconds)
    with pytest.raises(OperationalError) as given_up:
        run(own, f"SELECT pg_sleep({2 * PATIENCE})")
    assert isinstance(given_up.value.__cause__, ServerSilent)
    assert own.connection.closed


def test_after_the_deadline_quick_statements_succeed(own: DatabaseWrapper, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deadlines, "LEAST_SECONDS", PATIENCE)  # quick enough for any machine
    leave(-1)
    assert run(own, "SELECT 1") == (1,)


def test_time_does_not_count_during_a_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(deadlines, "monotonic", lambda: now)
    deadlines.begin(now + 5)
    now += 1
    deadlines.pause()
    now += 100
    assert deadlines.seconds_left() == 4
    now += 1
    assert deadlines.seconds_left() == 3
    deadlines.pause(7)
    now += 100
    assert deadlines.seconds_left() == 7
