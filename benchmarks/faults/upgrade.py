"""`make faults ARGS=upgrade`: an upgrade from the version before this one, under load, without a failed call.

As docs/operations.md describes it: the workers are stopped, and the servers of the old version run behind the proxy
while `migrate` of this checkout changes their database. Then the servers are restarted one after the other with the
code of this checkout, and its workers are started.
"""

import io
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

from benchmarks.faults.faults import Fault
from benchmarks.faults.installation import Installation
from benchmarks.sampling import sampled
from benchmarks.world import ROOT

OLD = "594c5d0"
LONGEST_LOCK = 1.0  # second
SAMPLE_EVERY = 0.02

# How long any session has been waiting for a lock, and how long strong locks of old tables are being held. Those of
# relations that the migration itself makes disturb nobody.
_LOCKS = """
    SELECT coalesce(max(extract(epoch FROM clock_timestamp() - waitstart)) FILTER (WHERE NOT granted), 0)::float,
        array_agg(DISTINCT pid || ' ' || relation::regclass || ' ' || mode) FILTER (
            WHERE granted AND relation = ANY(%(tables)s)
            AND mode IN ('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')
        )
    FROM pg_locks WHERE pid <> pg_backend_pid() AND (NOT granted OR locktype = 'relation')
"""
_TABLES = """
    SELECT array_agg(oid) FROM pg_class
    WHERE relkind IN ('r', 'p', 'i', 'I') AND relnamespace = 'public'::regnamespace
"""


class Locks:
    """Samples the locks of a database. Times in seconds."""

    def __init__(self) -> None:
        self.longest_wait = 0.0
        self.longest_held = 0.0
        self.held = ""
        self._samples: dict[str, int] = {}  # of each strong lock, in which it has been held without a break

    @contextmanager
    def sampled(self, place: Installation) -> Iterator[None]:
        """While the block runs."""
        tables = place.primary.value(_TABLES)
        with (
            place.primary.connect() as connection,
            sampled(lambda: self._sample(connection, tables), every=SAMPLE_EVERY),
        ):
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


def upgrade(place: Installation, locks: Locks) -> None:
    environment = {**place.servers[0].environment, "PYTHONPATH": str(ROOT)}
    with locks.sampled(place):
        for worker in place.workers:
            worker.stop()
        command = [sys.executable, "manage.py", "migrate", "--verbosity", "0"]
        with place.servers[0].log.open("ab") as log:
            subprocess.run(command, cwd=ROOT, env=environment, check=True, stderr=log, timeout=120)
        for program in (*place.servers, *place.workers):
            if program.is_running:
                program.stop()
            program.checkout, program.environment = ROOT, environment
            program.start()
            program.await_ready()


def fault_of(locks: Locks) -> Fault:
    return Fault("upgrade", f"upgrade from {OLD}", lambda place, _seconds: upgrade(place, locks))


@contextmanager
def old_checkout() -> Iterator[Path | None]:
    """The files of the old version in a temporary folder; None where its commit is missing, as in a shallow clone."""
    with tempfile.TemporaryDirectory(prefix="kumanda-old-") as folder:
        command = ["git", "-C", str(ROOT), "archive", OLD]
        archive = subprocess.run(command, check=False, capture_output=True)
        if archive.returncode:
            yield None
            return
        with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as files:
            files.extractall(folder, filter="data")
        yield Path(folder)
