"""Which sessions of the database hold advisory locks, and which wait for them."""

from datetime import datetime
from typing import NamedTuple

from django.db import connection

from common.locks import REGISTRY

# A key of 64 bits is shown in two halves, of which `objid` is the lower one.
_LOCKS = """
    SELECT (locks.classid::bigint << 32) | locks.objid::bigint, locks.mode, locks.granted, locks.pid,
        coalesce(activity.application_name, ''), host(activity.client_addr), activity.state, activity.xact_start,
        pg_blocking_pids(locks.pid)
    FROM pg_locks AS locks LEFT JOIN pg_stat_activity AS activity ON activity.pid = locks.pid
    WHERE locks.locktype = 'advisory' AND locks.objsubid = 1
        AND locks.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    ORDER BY locks.granted DESC, activity.xact_start, locks.pid
"""


class Holder(NamedTuple):
    """`lock` is the name of the `AdvisoryLock`, "" if it has none. `since` is when the transaction began."""

    lock: str
    key: int
    mode: str
    is_granted: bool
    pid: int
    application: str
    address: str | None
    state: str | None
    since: datetime | None
    blocked_by: list[int]


def holders() -> list[Holder]:
    """Those that hold a lock first, the oldest first."""
    with connection.cursor() as cursor:
        cursor.execute(_LOCKS)
        return [Holder(_name_of(key), key, *rest) for key, *rest in cursor.fetchall()]


def _name_of(key: int) -> str:
    lock = REGISTRY.get(key.to_bytes(8, signed=True)[:2])
    return "" if lock is None else lock.name
