"""Metrics of the pools of database connections. `common.postgres` knows nothing of metrics."""

from common.metrics import Counter, Gauge
from common.postgres.base import DatabaseWrapper
from common.postgres.pool import observers

_USUAL = [("default",)]  # of DATABASES
WAITS = Counter("database_pool_waits_total", "Callers who waited for a connection", ["pool"], known=_USUAL)
WAIT_SECONDS = Counter("database_pool_wait_seconds_total", "How long they waited", ["pool"], known=_USUAL)
FAILURES = Counter(
    "database_pool_failures_total",
    "Callers who got no connection: none was opened (connect) or returned (timeout)",
    ["pool", "reason"],
    known=[("default", "connect"), ("default", "timeout")],
)


def _count(pool: str, event: str, seconds: float) -> None:
    if event == "waited":
        WAITS.inc(pool)
        WAIT_SECONDS.inc(pool, by=seconds)
    else:
        FAILURES.inc(pool, event)


observers.append(_count)


def _connections_of_pools() -> dict[tuple[str, ...], float]:
    return {
        (name, state): count
        for name, pool in DatabaseWrapper.pools().items()
        for state, count in pool.connections().items()
    }


CONNECTIONS = Gauge(
    "database_pool_connections",
    "Connections that are used or idle, and callers who wait for one (awaited)",
    ["pool", "state"],
    read=_connections_of_pools,
)
SIZE = Gauge(
    "database_pool_size",
    "Connections that the pools may have",
    ["pool"],
    read=lambda: {(name,): pool.size for name, pool in DatabaseWrapper.pools().items()},
)
