"""The database servers: a primary with a streaming replica, over TCP on the loopback interface."""

import os
import shlex
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, LiteralString

import psutil
import psycopg

from benchmarks.attack.service import family
from benchmarks.world import DATABASE
from common.postgres.account import account_for
from common.postgres.embedded import binaries

ACCESS = """\
local all all trust
host all all 127.0.0.1/32 trust
host replication all 127.0.0.1/32 trust
"""
OPTIONS = (
    "listen_addresses=127.0.0.1",
    "unix_socket_directories=",
    "max_connections=100",
    "shared_buffers=128MB",
    "log_checkpoints=off",
    "track_commit_timestamp=on",  # when a notification was committed: see notices.py
    "log_lock_waits=on",
    "deadlock_timeout=500ms",
)
STOPPING = 60  # seconds


class Postgres:
    """One server in an existing data folder, which it prepares for TCP and replication."""

    def __init__(self, data: Path, port: int) -> None:
        self.data, self.port = data, port
        self.log = data.with_suffix(".log")
        self.account = account_for(data)
        (data / "pg_hba.conf").write_text(ACCESS)

    def connect(self, *, user: str = DATABASE) -> psycopg.Connection[Any]:
        return psycopg.connect(
            host="127.0.0.1", port=self.port, user=user, dbname=DATABASE, autocommit=True, connect_timeout=5
        )

    def value(self, statement: LiteralString) -> Any:
        """The first value of the first row."""
        with self.connect() as connection:
            row = connection.execute(statement).fetchone()
        assert row is not None
        return row[0]

    # --- start and stop ---------------------------------------------------------------------------

    def start(self) -> None:
        options = shlex.join(word for option in (*OPTIONS, f"port={self.port}") for word in ("-c", option))
        self._run("pg_ctl", "start", "-D", str(self.data), "--silent", "--wait", "--timeout=60", f"--options={options}")

    def stop(self, mode: str) -> None:
        """`mode` is fast or immediate. The latter needs crash recovery afterwards."""
        self._run("pg_ctl", "stop", "--silent", "--wait", f"--timeout={STOPPING}", f"--mode={mode}")

    def kill(self) -> None:
        """SIGKILL of all its processes at once, as when the machine is gone. Then waits for their end."""
        assert self.is_running, "it does not run"
        self._kill()

    def _kill(self) -> None:
        processes = self.processes()
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(processes, timeout=10)
        (self.data / "postmaster.pid").unlink(missing_ok=True)

    def promote(self) -> None:
        self._run("pg_ctl", "promote", "--silent", "--wait", "--timeout=60")

    @property
    def is_running(self) -> bool:
        return bool(self.processes())

    def processes(self) -> list[psutil.Process]:
        with suppress(OSError, ValueError, IndexError, psutil.NoSuchProcess):
            postmaster = psutil.Process(int((self.data / "postmaster.pid").read_text().splitlines()[0]))
            # The file of a killed server may name any process.
            if str(self.data) in postmaster.cmdline():
                return family(postmaster)
        return []

    @contextmanager
    def suspended(self) -> Iterator[None]:
        """SIGSTOP: connections stay open, new ones are accepted by the kernel, and nothing is answered."""
        processes = self.processes()
        assert processes, "it does not run"
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            for process in processes:
                with suppress(psutil.NoSuchProcess):
                    process.send_signal(signal.SIGCONT)

    def discard(self) -> None:
        """Stop it in any state. Its data need not be usable afterwards."""
        for process in self.processes():
            with suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGCONT)
        if self.is_running:
            with suppress(RuntimeError):
                self.stop("immediate")
        self._kill()

    # --- replication ------------------------------------------------------------------------------

    def copied(self, data: Path, port: int) -> "Postgres":
        """A streaming replica in a new folder. It is not started yet."""
        shutil.rmtree(data, ignore_errors=True)
        data.mkdir(mode=0o700)
        self.account.own(data)
        source = f"host=127.0.0.1 port={self.port} user={DATABASE} application_name=replica"
        self._run("pg_basebackup", "-D", str(data), "-d", source, "--checkpoint=fast", "--write-recovery-conf")
        return Postgres(data, port)

    def moved(self, port: int) -> None:
        """Restart with the port of another server, as when its address moves to this machine."""
        self.stop("fast")
        self.port = port
        self.start()

    def _run(self, program: str, *arguments: str) -> None:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        with self.log.open("ab") as log:
            done = subprocess.run(
                [binaries() / program, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                env=environment | {"LC_ALL": "C", "PGDATA": str(self.data)},
                start_new_session=True,
                check=False,
                user=self.account.user,
                group=self.account.group,
                extra_groups=self.account.extra_groups,
                timeout=90,
            )
        if done.returncode:
            tail = "\n".join(self.log.read_text(errors="replace").splitlines()[-15:])
            raise RuntimeError(f"{program} {' '.join(arguments[:1])} failed:\n{tail}")
