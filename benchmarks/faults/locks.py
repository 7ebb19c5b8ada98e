"""How long sessions on a database wait for locks, and hold strong ones, while a migration runs. Times in seconds."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

from benchmarks.sampling import sampled

LONGEST_LOCK = 1.0
SAMPLE_EVERY = 0.02

# How long any session has been waiting for a lock, and the strong locks that are held on old tables. Those of relations
# that the migration itself makes disturb nobody, and nobody waits behind a wait for the end of other transactions
# (virtualxid), as in CREATE INDEX CONCURRENTLY. Other databases of the server may be copies, whose tables have the same
# OIDs; the lock of a row has no database, so the session tells it.
_LOCKS = """
    SELECT
        coalesce(max(extract(epoch FROM clock_timestamp() - waitstart)) FILTER (WHERE NOT granted), 0)::float,
        array_agg(DISTINCT pid || ' ' || relation::regclass || ' ' || mode) FILTER (
            WHERE granted AND relation = ANY(%(tables)s)
            AND mode IN ('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')
        )
    FROM pg_locks JOIN pg_stat_activity USING (pid)
    WHERE datname = current_database() AND pid <> pg_backend_pid()
        AND locktype <> 'virtualxid' AND (NOT granted OR locktype = 'relation')
"""
_TABLES = """
    SELECT array_agg(oid) FROM pg_class
    WHERE relkind IN ('r', 'p', 'i', 'I') AND relnamespace = 'public'::regnamespace
"""


class Locks:
    """`held` names the lock that was held for longest: the session, the table or index, and the mode."""

    def __init__(self) -> None:
        self.longest_wait = 0.0
        self.longest_held = 0.0
        self.held = ""
        self._samples: dict[str, int] = {}  # of each strong lock, in which it has been held without a break

    @contextmanager
    def sampled(self, connection: "psycopg.Connection[Any]") -> Iterator[None]:
        """While the block runs, over a connection for this purpose, in autocommit."""
        found = connection.execute(_TABLES).fetchone()
        assert found is not None
        tables: list[int] = found[0]
        with sampled(lambda: self._sample(connection, tables), every=SAMPLE_EVERY):
            yield

    def _sample(self, connection: "psycopg.Connection[Any]", tables: list[int]) -> None:
        row = connection.execute(_LOCKS, {"tables": tables}).fetchone()
        assert row is not None
        self.longest_wait = max(self.longest_wait, row[0])
        self._samples = {lock: self._samples.get(lock, 0) + 1 for lock in row[1] or ()}
        for lock, count in self._samples.items():
            if count * SAMPLE_EVERY > self.longest_held:
                self.longest_held, self.held = count * SAMPLE_EVERY, lock

    @property
    def text(self) -> str:
        return (
            f"longest wait for a lock {self.longest_wait * 1000:.0f} ms, longest strong lock of a table"
            f" {self.longest_held * 1000:.0f} ms {self.held}"
        ).strip()

    @property
    def are_broken(self) -> bool:
        return max(self.longest_wait, self.longest_held) > LONGEST_LOCK
