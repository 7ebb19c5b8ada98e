"""The pool of connections that the threads of a server process share."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import InternalError, OperationalError, connection, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.utils import ProgrammingError

from common.direct import direct_connection
from common.postgres import pool as pooling
from common.postgres.base import DatabaseWrapper
from common.postgres.bounded import BoundedConnection
from common.postgres.faults import close_after, is_unavailable
from common.postgres.pool import NoConnectionFree, Pool
from tests.patience import wait_until

pytestmark = pytest.mark.django_db(transaction=True)

type Connect = Callable[[], BoundedConnection]


@pytest.fixture
def connect(transactional_db: None) -> Connect:
    return direct_connection()._opened


@contextmanager
def pool_of(size: int, *, seconds: float = 5.0) -> Iterator[Pool]:
    pool = Pool(size, lambda: seconds)
    yield pool
    pool.close_idle()


def refused() -> BoundedConnection:
    raise psycopg.OperationalError("nobody listens there")


def test_the_connection_returned_last_is_lent_first_and_one_that_nobody_needed_is_closed(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pool_of(3) as pool:
        first, second = pool.getconn(connect), pool.getconn(connect)
        pool.putconn(first)
        pool.putconn(second)
        assert pool.getconn(refused) is second
        monkeypatch.setattr(pooling, "IDLE_SECONDS", 0.05)
        time.sleep(0.1)
        pool.putconn(second)
        assert (first.closed, second.closed) == (True, False)


def test_callers_wait_in_their_order_for_at_most_so_many_connections(connect: Connect) -> None:
    served: list[int] = []
    with pool_of(1) as pool, ThreadPoolExecutor(3) as threads:

        def take(number: int) -> None:
            connection = pool.getconn(connect)
            served.append(number)
            pool.putconn(connection)

        held = pool.getconn(connect)
        for number in range(3):
            threads.submit(take, number)
            wait_until(lambda number=number: len(pool._waiting) == number + 1)  # type: ignore[misc]
        pool.putconn(held)
        wait_until(lambda: len(served) == 3)
        assert served == [0, 1, 2]
        assert len(pool._idle) == 1


def test_a_caller_who_waits_for_too_long_is_refused_and_takes_nothing_away(connect: Connect) -> None:
    with pool_of(1, seconds=0.05) as pool:
        held = pool.getconn(connect)
        with pytest.raises(NoConnectionFree, match="all 1 connections are in use"):
            pool.getconn(connect)
        pool.putconn(held)
        assert pool.getconn(refused) is held
        pool.putconn(held)


def test_dead_connections_are_replaced_at_once_and_a_failure_to_connect_takes_nothing_away(connect: Connect) -> None:
    with pool_of(3, seconds=0) as pool:
        lent = [pool.getconn(connect) for _ in range(3)]
        for connection in lent:
            pool.putconn(connection)
        for connection in lent:
            with connect() as other:
                other.execute("SELECT pg_terminate_backend(%s, 5000)", [connection.info.backend_pid])
        for _ in range(5):
            with pytest.raises(psycopg.OperationalError, match="nobody listens"):
                pool.getconn(refused)
        living = [pool.getconn(connect) for _ in range(3)]
        assert all(connection.closed for connection in lent)
        for connection in living:
            connection.execute("SELECT 1")
            pool.putconn(connection)


@pytest.mark.parametrize("leave", ["BEGIN", "SELECT 1/0", "closed"])
def test_a_connection_in_a_transaction_or_closed_is_not_kept(leave: str, connect: Connect) -> None:
    with pool_of(1) as pool:
        connection = pool.getconn(connect)
        if leave == "closed":
            connection.close()
        elif leave == "BEGIN":
            connection.execute(leave)
        else:
            connection.autocommit = False
            with pytest.raises(psycopg.errors.DivisionByZero):
                connection.execute(leave)
        pool.putconn(connection)
        assert connection.closed
        with pytest.raises(psycopg.OperationalError):
            pool.getconn(refused)


# --- as Django's connection -----------------------------------------------------------------------


@pytest.fixture
def pooled(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., DatabaseWrapper]]:
    """Makes connections as those of the threads of a server process are."""
    monkeypatch.setattr(DatabaseWrapper, "_pools", {})
    made: list[DatabaseWrapper] = []

    def make(**entries: Any) -> DatabaseWrapper:
        own = {"POOL_SIZE": 2, "CONN_MAX_AGE": 0, "POOL_WAIT": lambda: 0.05}
        made.append(direct_connection(**own | entries))
        return made[-1]

    yield make
    for each in made:
        each.close()
        each.close_pool()


def value(own: BaseDatabaseWrapper, statement: str) -> Any:
    with own.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchone()[0]


def test_threads_share_connections_that_are_prepared_once(pooled: Callable[..., DatabaseWrapper]) -> None:
    first, second = pooled(), pooled()
    process = value(first, "SELECT pg_backend_pid()")
    assert value(first, "SELECT current_setting('statement_timeout')") == "3s"
    first.close_if_unusable_or_obsolete()
    assert value(second, "SELECT pg_backend_pid()") == process
    assert value(second, "SELECT current_setting('statement_timeout')") == "3s"
    assert value(first, "SELECT pg_backend_pid()") != process
    with pytest.raises(OperationalError) as refusal:
        value(pooled(), "SELECT 1")
    assert isinstance(refusal.value.__cause__, NoConnectionFree)


def test_a_connection_that_cannot_be_prepared_is_not_kept(
    pooled: Callable[..., DatabaseWrapper], monkeypatch: pytest.MonkeyPatch
) -> None:
    own = pooled(TIME_LIMITS={"no_such_setting": 1})
    for _ in range(3):  # more often than the pool has connections
        with pytest.raises(ProgrammingError):
            value(own, "SELECT 1")
    assert own.connection is None
    monkeypatch.setitem(own.settings_dict, "TIME_LIMITS", {})
    assert value(own, "SELECT 1") == 1


def test_behind_a_pooler_nothing_is_set_for_a_session(pooled: Callable[..., DatabaseWrapper]) -> None:
    own = pooled(IS_TRANSACTION_POOLED=True)
    assert value(own, "SELECT current_setting('statement_timeout')") == "0"
    assert own.connection.answer_seconds == pytest.approx(3.25)


def test_a_silent_server_is_asked_to_cancel_what_it_could_go_on_with(pooled: Callable[..., DatabaseWrapper]) -> None:
    own = pooled(IS_TRANSACTION_POOLED=True, TIME_LIMITS={"statement_timeout": 0.2})
    process = value(own, "SELECT pg_backend_pid()")
    with pytest.raises(OperationalError, match="has not answered"):
        value(own, "SELECT pg_sleep(60)")
    other = direct_connection()
    gone = f"SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = {process})"
    wait_until(lambda: bool(value(other, gone)), seconds=10)
    other.close()


def test_a_pooler_that_keeps_no_statements_is_not_asked_to_cancel(
    pooled: Callable[..., DatabaseWrapper], monkeypatch: pytest.MonkeyPatch
) -> None:
    """PgBouncer 1.18 crashes when it gets many of these requests while the database is stopped."""
    own = pooled(IS_TRANSACTION_POOLED=True)
    monkeypatch.setitem(own.settings_dict, "OPTIONS", own.settings_dict["OPTIONS"] | {"prepare_threshold": None})
    value(own, "SELECT 1")
    assert not own.connection.cancels


def test_a_pool_needs_connections_that_do_not_persist() -> None:
    with pytest.raises(ImproperlyConfigured, match="POOL_SIZE needs CONN_MAX_AGE 0"):
        direct_connection(POOL_SIZE=2, CONN_MAX_AGE=None).ensure_connection()


# --- errors that say that the database is not available -------------------------------------------


def test_a_transaction_that_was_idle_for_too_long_is_no_error_of_the_program() -> None:
    own = direct_connection(TIME_LIMITS={"idle_in_transaction_session_timeout": 0.05})
    with own.cursor() as cursor:
        cursor.execute("BEGIN")
        time.sleep(0.5)
        with pytest.raises((OperationalError, InternalError)) as ended:
            cursor.execute("SELECT 1")
    assert is_unavailable(ended.value)
    close_after(ended.value, own)
    assert own.connection is None


def test_after_a_write_to_a_replica_the_connection_is_closed() -> None:
    own = direct_connection()
    with own.cursor() as cursor:
        cursor.execute("SET default_transaction_read_only = on")
        with pytest.raises(InternalError) as refusal:
            cursor.execute("UPDATE django_content_type SET model = model")
    assert is_unavailable(refusal.value)
    close_after(refusal.value, own)
    assert own.connection is None


def test_after_a_transaction_that_lost_its_connection_none_is_opened_for_nothing() -> None:
    with pytest.raises(OperationalError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")
    assert connection.connection is None
    assert value(connection, "SELECT 1") == 1


def test_an_error_of_a_statement_is_one_of_the_program() -> None:
    own = direct_connection()
    with own.cursor() as cursor, pytest.raises(ProgrammingError) as refusal:
        cursor.execute("SELECT no_such_column")
    assert not is_unavailable(refusal.value)
    own.close()


def test_direct_connections_have_the_limits_of_requests_and_no_pool() -> None:
    own = direct_connection()
    assert own.pool is None
    assert own.settings_dict["TIME_LIMITS"] == settings.REQUEST_TIME_LIMITS
    own.close()
