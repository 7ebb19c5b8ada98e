"""The database servers: a primary with a streaming replica, over TCP on the loopback interface."""

import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, LiteralString

import psycopg

from benchmarks.postgres import PostgresServer
from benchmarks.world import DATABASE

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


class Postgres(PostgresServer):
    """One server in an existing data folder, which it prepares for TCP and replication."""

    def __init__(self, data: Path, port: int) -> None:
        super().__init__(data)
        self.port = port
        (data / "pg_hba.conf").write_text(ACCESS)

    @property
    def options(self) -> tuple[str, ...]:
        return (*OPTIONS, f"port={self.port}")

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

    @contextmanager
    def suspended(self) -> Iterator[None]:
        """SIGSTOP: connections stay open, new ones are accepted by the kernel, and nothing is answered."""
        assert self.is_running, "it does not run"
        self.signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.signal(signal.SIGCONT)

    def copied(self, data: Path, port: int) -> "Postgres":
        """A streaming replica in a new folder. It is not started yet."""
        shutil.rmtree(data, ignore_errors=True)
        data.mkdir(mode=0o700)
        self.account.own(data)
        source = f"host=127.0.0.1 port={self.port} user={DATABASE} application_name=replica"
        self.run("pg_basebackup", "-D", str(data), "-d", source, "--checkpoint=fast", "--write-recovery-conf")
        return Postgres(data, port)

    def moved(self, port: int) -> None:
        """Restart with the port of another server, as when its address moves to this machine."""
        self.stop("fast")
        self.port = port
        self.start()
