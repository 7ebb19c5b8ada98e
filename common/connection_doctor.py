"""The doctor's checks of database connections: their number, long transactions, and a pooler in front."""

import os
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import timedelta

import psycopg
from django.conf import settings
from django.db import DatabaseError, connection
from psycopg.errors import InvalidSqlStatementName

from common.direct import direct_connection
from common.doctor import Finding, error, warning
from common.postgres.base import DatabaseWrapper

# Each process of `serve` also listens for revocations. A worker has connections that fetch jobs, and one that listens
# for each queue. The last number is for commands, backups and operators.
LISTENING = 1
FETCHING = 4
FOR_COMMANDS = 5

TRIES = 5
LONGEST_TRANSACTION = timedelta(hours=1)  # statements of the service end after seconds


def examine() -> Iterator[Finding]:
    """For `settings.DOCTOR_CHECKS`."""
    yield from _number_of_connections()
    yield from _long_transactions()
    yield from _pooler()


# --- how many -------------------------------------------------------------------------------------


def connections_of_server() -> int:
    """The most direct connections of `serve` on this machine, with a process for each core."""
    shared = 0 if settings.IS_TRANSACTION_POOLED else settings.DATABASE_POOL_SIZE
    of_metrics = 0 if settings.METRICS_SERVE_ADDRESS is None else 1
    return (os.cpu_count() or 1) * (shared + LISTENING) + of_metrics


def connections_of_worker() -> int:
    """The most connections of one worker."""
    queues = settings.WORKER_QUEUES.values()
    return sum(at_once for at_once, _ in queues) + FETCHING + len(queues)


def _number_of_connections() -> Iterator[Finding]:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int,
                   count(DISTINCT client_addr) FILTER (WHERE application_name = %(serve)s),
                   count(*) FILTER (WHERE application_name NOT LIKE %(own)s)
            FROM pg_stat_activity WHERE backend_type = 'client backend'
            """,
            {"serve": settings.REQUEST_DATABASE["OPTIONS"]["application_name"], "own": f"{_prefix()} %"},
        )
        allowed, hosts, others = cursor.fetchone()
    hosts = max(hosts, 1)  # connections over a Unix socket have no address
    servers, worker = hosts * connections_of_server(), connections_of_worker()
    needed = servers + worker + others + FOR_COMMANDS
    if needed <= allowed:
        return
    yield warning(
        "connections_scarce",
        f"The database allows {allowed} connections, and up to {needed} are needed: {servers} by servers on "
        f"{hosts} machine(s), {worker} by a worker, {others} by other programs, {FOR_COMMANDS} by commands. "
        "When all are in use, calls are answered with 503.",
        "Raise max_connections of PostgreSQL, lower DATABASE_POOL_SIZE or the number of processes (serve --workers), "
        "or put PgBouncer in between.",
    )


def _prefix() -> str:
    name: str = settings.REQUEST_DATABASE["OPTIONS"]["application_name"]
    return name.rpartition(" ")[0]


# --- how long -------------------------------------------------------------------------------------

# A role sees the transactions of its own sessions; with pg_read_all_stats, all.
_LONG = """
    SELECT pid, application_name, state, xact_start FROM pg_stat_activity
    WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()
        AND xact_start < clock_timestamp() - %s::interval
    ORDER BY xact_start LIMIT 1
"""


def _long_transactions() -> Iterator[Finding]:
    with connection.cursor() as cursor:
        cursor.execute(_LONG, [str(LONGEST_TRANSACTION)])
        row = cursor.fetchone()
    if row:
        pid, application, state, since = row
        yield warning(
            "transaction_long",
            f"A transaction is open since {since:%Y-%m-%d %H:%M} UTC (process {pid} of PostgreSQL, "
            f"{application or 'without a name'}, {state}): meanwhile no dead row is removed, so that tables grow and "
            "queries become slower.",
            f"If it is a backup, wait for its end. Otherwise end it: SELECT pg_terminate_backend({pid})",
        )


# --- a pooler in front ----------------------------------------------------------------------------


def _pooler() -> Iterator[Finding]:
    if not settings.IS_TRANSACTION_POOLED:
        if _lends_sessions(direct_connection(), direct_connection()):
            yield error(
                "pooler_without_direct_url",
                "DATABASE_URL is the address of a pooler in transaction mode, and there is no DATABASE_DIRECT_URL: "
                "workers, migrate and waiting for revocations need sessions of their own.",
                "Set DATABASE_DIRECT_URL to the address of PostgreSQL itself.",
            )
        return
    if _lends_sessions(direct_connection(), direct_connection()):
        yield error(
            "direct_url_is_pooled",
            "DATABASE_DIRECT_URL is the address of a pooler in transaction mode: workers, migrate and waiting for "
            "revocations need sessions of their own.",
            "Set DATABASE_DIRECT_URL to the address of PostgreSQL itself.",
        )
    try:
        yield from _of_requests(_request_connection(), _request_connection())
    except (DatabaseError, psycopg.Error) as problem:
        yield error(
            "pooler_unreachable",
            f"The pooler of DATABASE_URL does not answer, so no call succeeds: {problem}",
            "Start the pooler, or correct DATABASE_URL.",
        )


def _request_connection() -> DatabaseWrapper:
    """A new connection as requests have it, outside of any pool of this process."""
    return direct_connection(**settings.REQUEST_DATABASE | {"POOL_SIZE": 0})


def _lends_sessions(first: DatabaseWrapper, second: DatabaseWrapper) -> bool:
    """Whether two open connections are served by the same process of PostgreSQL. Other traffic may hide it once."""
    with closing(first), closing(second):
        first.ensure_connection()
        second.ensure_connection()
        return any(_process(first) == _process(second) for _ in range(TRIES))


def _process(own: DatabaseWrapper) -> int:
    with own.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        number: int = cursor.fetchone()[0]
        return number


def _of_requests(first: DatabaseWrapper, second: DatabaseWrapper) -> Iterator[Finding]:
    with closing(first), closing(second):
        first.ensure_connection()
        second.ensure_connection()
        (limit,) = first.connection.execute("SELECT current_setting('statement_timeout')").fetchone()
        if limit == "0":
            limits = [f"SET {name} = {round(1000 * value)}" for name, value in settings.REQUEST_TIME_LIMITS.items()]
            yield warning(
                "pooler_without_limits",
                "Connections of the pooler have no statement_timeout: a statement whose call was answered with 503 "
                "goes on, and waits for locks.",
                f"Add to the database in pgbouncer.ini: connect_query='{'; '.join([*limits, 'SET jit = off'])}'",
            )
        is_prepared = settings.REQUEST_DATABASE["OPTIONS"]["prepare_threshold"] is not None
        if is_prepared and _loses_statements(first.connection, second.connection):
            yield error(
                "pooler_loses_statements",
                "The pooler does not keep prepared statements, so calls fail.",
                "Set DATABASE_PREPARED_STATEMENTS=false, or max_prepared_statements of PgBouncer 1.21 or newer.",
            )


def _loses_statements(first: psycopg.Connection, second: psycopg.Connection) -> bool:
    """Whether a prepared statement is missing on another server connection, while `second` has the one of before."""
    first.execute("SELECT 'prepared'", prepare=True)
    second.autocommit = False
    try:
        second.execute("SELECT 1")
        first.execute("SELECT 'prepared'", prepare=True)
    except InvalidSqlStatementName:
        return True
    finally:
        with suppress(psycopg.Error):
            second.rollback()
    return False
