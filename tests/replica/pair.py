"""A primary and a streaming replica of it, made with the programs of the embedded server."""

import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

from benchmarks.postgres import PostgresServer
from common.postgres.embedded import INITDB_OPTIONS, binaries
from tests.patience import PATIENCE, wait_until

OWNER = "app"
OPTIONS = (
    "listen_addresses=",
    "port=5432",
    "max_connections=60",
    "shared_buffers=32MB",
    # After a crash of the machine nobody needs these servers.
    "fsync=off",
    # A statement that conflicts with the replay is cancelled at once.
    "max_standby_streaming_delay=0",
    "hot_standby_feedback=on",
    "wal_receiver_status_interval=1s",
    "wal_retrieve_retry_interval=200ms",
)


class Node(PostgresServer):
    """One server. Its socket is not in its folder, which is copied."""

    seconds = PATIENCE

    def __init__(self, data: Path) -> None:
        super().__init__(data)
        self.sockets = data.parent / f"{data.name}-socket"

    @property
    def options(self) -> list[str]:
        return [*OPTIONS, f"unix_socket_directories={self.sockets}"]

    @property
    def url(self) -> str:
        return f"postgresql://{OWNER}@/{self.sockets}/{OWNER}"

    @property
    def settings(self) -> dict[str, str]:
        """Where it is, for `settings.DATABASES`."""
        return {"NAME": OWNER, "USER": OWNER, "PASSWORD": "", "HOST": str(self.sockets), "PORT": "5432"}

    def kill(self) -> None:
        super().kill()
        (self.sockets / ".s.PGSQL.5432.lock").unlink(missing_ok=True)

    def execute(self, sql: str, *values: Any) -> Any:
        """The first value of the first row, if there is one."""
        with psycopg.connect(
            host=str(self.sockets), user=OWNER, dbname=OWNER, autocommit=True, connect_timeout=10
        ) as server:
            found = server.execute(sql, values)
            row = found.fetchone() if found.description else None
            return row and row[0]


class Pair:
    """Both servers. `replica` streams from `primary`, without a slot."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.primary = self._node("primary")
        self.replica = self._node("replica")

    def _node(self, name: str) -> Node:
        folder = self.folder / name
        node = Node(folder)
        for each in (folder, node.sockets):
            each.mkdir(mode=0o700, exist_ok=True)
            node.account.own(each)
        node.account.open_way_to([folder, binaries()])
        node.account.open_for_reading(binaries().parent)
        return node

    def start(self) -> None:
        self.primary.run("initdb", "-U", OWNER, "--no-sync", *INITDB_OPTIONS)
        create = f"CREATE DATABASE {OWNER}\n".encode()
        self.primary.run("postgres", "--single", "postgres", stdin=create)
        self.primary.start()

    def copy(self) -> None:
        """Make the replica anew from the primary, and start it."""
        self.replica.discard()
        shutil.rmtree(self.replica.data)
        self.replica = self._node("replica")
        self.replica.run(
            "pg_basebackup",
            *("-D", str(self.replica.data), "-h", str(self.primary.sockets), "-U", OWNER),
            *("--write-recovery-conf", "--checkpoint=fast", "--wal-method=stream", "--no-sync"),
        )
        self.replica.start()
        self.wait_for_replay()

    def heal(self) -> None:
        """Make both run, and the replica follow, whatever a test did to them."""
        for node in (self.primary, self.replica):
            node.signal(signal.SIGCONT)
        if not self.primary.is_running:
            self.primary.start()
        if not self.replica.is_running:
            self.replica.start()
        if not self.replica.execute("SELECT pg_is_in_recovery()"):
            self.copy()
        self.replay()
        self.wait_for_replay()

    def pause(self) -> None:
        """The replica replays nothing from now on."""
        self.wait_for_replay()
        self.replica.execute("SELECT pg_wal_replay_pause()")
        wait_until(lambda: self.replica.execute("SELECT pg_get_wal_replay_pause_state()") == "paused")

    def replay(self) -> None:
        self.replica.execute("SELECT pg_wal_replay_resume()")

    def wait_for_replay(self) -> None:
        """Return when the replica has replayed all that is committed now."""
        # A record of its own, so that everything before it is sent.
        written = self.primary.execute("SELECT pg_logical_emit_message(true, 'test', '')::text")
        wait_until(lambda: self.replica.execute("SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn", written))

    def stop(self) -> None:
        self.replica.discard()
        self.primary.discard()


@contextmanager
def running_pair() -> Iterator[Pair]:
    # The account that root runs PostgreSQL as cannot enter pytest's temp folders.
    folder = Path(tempfile.mkdtemp()).resolve()
    folder.chmod(0o755)
    pair = Pair(folder)
    try:
        pair.start()
        yield pair
    finally:
        pair.stop()
        shutil.rmtree(folder)
