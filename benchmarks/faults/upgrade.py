"""`make faults ARGS=upgrade`: an upgrade from the version before this one, under load, without a failed call.

As docs/upgrading.md describes it: the workers are stopped, and the servers of the old version run behind the proxy
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

from benchmarks.faults.faults import Fault
from benchmarks.faults.installation import Installation
from benchmarks.faults.locks import Locks
from benchmarks.world import ROOT

OLD = "594c5d0"


def upgrade(place: Installation, locks: Locks) -> None:
    environment = {**place.servers[0].environment, "PYTHONPATH": str(ROOT)}
    with place.primary.connect() as connection, locks.sampled(connection):
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
