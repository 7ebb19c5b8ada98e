"""Advisory locks. Every lock of the project is an `AdvisoryLock`; no other module calls `pg_advisory_*`.

All advisory locks of a database share one space of 64-bit keys. The first 16 bits of a key are a digest of the lock's
name, and `REGISTRY` refuses a second lock with the same 16 bits, so that keys of two locks are never equal. The other
48 bits are a digest of a row's id. If two rows of one lock have equal keys, they only wait for each other.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b

from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper

REGISTRY: dict[bytes, "AdvisoryLock"] = {}

# The catalogue has the halves of a key as OIDs.
_HELD = """
    SELECT EXISTS (
        SELECT FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 1 AND granted
            AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
            AND classid = ((%s::bigint >> 32) & 4294967295)::oid AND objid = (%s::bigint & 4294967295)::oid
    )
"""


class AdvisoryLock:
    """One purpose, for the whole database or for one row each. Declare it at the level of a module.

    Raises ValueError when another lock has the same name or, by chance, the same digest: choose another name.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._prefix = _digest(name, 2)
        if (other := REGISTRY.setdefault(self._prefix, self)) is not self:
            raise ValueError(f"the advisory lock {name!r} has the same keys as {other.name!r}")

    def key(self, row_id: str = "") -> int:
        return int.from_bytes(self._prefix + _digest(row_id, 6), signed=True)

    def call(self, row_id: str = "") -> str:
        """The call that `take` runs, for functions that are written in SQL."""
        return f"pg_advisory_xact_lock({self.key(row_id)})"

    def take(self, row_id: str = "") -> None:
        """Wait for the lock and hold it until the transaction ends. PostgreSQL serves waiters in order of arrival."""
        _call("pg_advisory_xact_lock", self.key(row_id))

    def share(self, row_id: str = "") -> None:
        """Wait for the lock in shared mode and hold it until the transaction ends. It conflicts with `take` only."""
        _call("pg_advisory_xact_lock_shared", self.key(row_id))

    def try_take(self, row_id: str = "") -> bool:
        """Take the lock if it is free, without waiting. Returns whether it was taken."""
        return bool(_call("pg_try_advisory_xact_lock", self.key(row_id)))

    def is_held(self, row_id: str = "") -> bool:
        """Whether a session or transaction of this database holds the lock. It does not take it."""
        with connection.cursor() as cursor:
            cursor.execute(_HELD, [self.key(row_id), self.key(row_id)])
            return bool(cursor.fetchone()[0])

    @contextmanager
    def tried_by_session(self, row_id: str = "", *, using: BaseDatabaseWrapper | None = None) -> Iterator[bool]:
        """Yields whether the lock was taken, without waiting. It is held to the end of the block, across transactions.

        It belongs to the connection, `using` or that of this thread, and ends with it, also when the process is killed.
        So it is for commands and workers, whose connections are direct: a pooler may lend the server connection to
        others between two transactions.
        """
        key = self.key(row_id)
        # One cursor, because Django may open another connection meanwhile, which could not release the lock.
        with (using or connection).cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_lock(%s)", [key])
            is_taken = bool(cursor.fetchone()[0])
            try:
                yield is_taken
            finally:
                # A lock ends with its connection, whose error or interruption is not to be replaced by another one.
                if is_taken and not cursor.connection.closed:
                    cursor.execute("SELECT pg_advisory_unlock(%s)", [key])


def _digest(text: str, size: int) -> bytes:
    return blake2b(text.encode(), digest_size=size).digest()


def _call(function: str, key: int) -> object:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {function}(%s)", [key])
        return cursor.fetchone()[0]
