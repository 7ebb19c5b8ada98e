"""PostgreSQL's pg_dump and pg_restore: where they are, and how they are run without showing the password."""

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import connection
from psycopg import pq
from psycopg.conninfo import make_conninfo

from common.backup import BackupError, Refused
from common.disk import blocks_of
from common.postgres.embedded import binaries
from common.version import postgresql_version

# Where Debian and Red Hat install them, by major version.
PACKAGED = ("/usr/lib/postgresql/{}/bin", "/usr/pgsql-{}/bin")
LOCK_WAIT = 60_000  # milliseconds that pg_dump waits for a table that a migration has locked
LINES_SHOWN = 5  # of the standard error of a program that failed


@dataclass(frozen=True)
class Programs:
    folder: Path
    version: str  # as "18.6"

    @property
    def major(self) -> int:
        return int(self.version.partition(".")[0])


def programs() -> Programs:
    """The programs of the server's version. Raises Refused.

    Newer ones are not used, although they could dump: what they write may need a newer server.
    """
    wanted = postgresql_version().partition(".")[0]
    folders = [settings.POSTGRES_PROGRAMS] if settings.POSTGRES_PROGRAMS else _usual_folders(wanted)
    found = []
    for folder in folders:
        version = _version_in(folder)
        if version.partition(".")[0] == wanted:
            return Programs(folder, version)
        found += [f"{version} in {folder}"] if version else []
    raise Refused(
        "POSTGRES_PROGRAMS",
        f"must be the folder of pg_dump and pg_restore of PostgreSQL {wanted}, the version of the server; found:"
        f" {', '.join(found) or 'none'}.",
    )


def _usual_folders(version: str) -> Iterator[Path]:
    if on_path := shutil.which("pg_dump"):
        yield Path(on_path).parent
    yield from (Path(pattern.format(version)) for pattern in PACKAGED)
    with suppress(ImproperlyConfigured):
        yield binaries()


def _version_in(folder: Path) -> str:
    """As "18.6", empty unless both programs are in the folder."""
    if not (folder / "pg_restore").exists():
        return ""
    try:
        said = subprocess.run([folder / "pg_dump", "--version"], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return ""
    version = re.search(r"\d+(?:\.\d+)?", said)
    return version[0] if version else ""


@contextmanager
def dumping(programs: Programs, snapshot: str) -> Iterator[Iterator[bytes]]:
    """The parts of a dump of the database as of the snapshot. Raises BackupError.

    Through a pipe, so that the program ends when this process is killed.
    """
    options = [
        "--format=custom",
        f"--snapshot={snapshot}",
        f"--lock-wait-timeout={LOCK_WAIT}",
        "--no-unlogged-table-data",
    ]
    with _running(programs.folder / "pg_dump", options, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as output:
        yield blocks_of(output)


def load(programs: Programs, parts: Iterable[bytes]) -> None:
    """Restore a dump in one transaction. Raises BackupError; then nothing is changed.

    When this process is killed, nothing is changed unless the program has the whole dump already. All is owned by the
    role of this connection, and no other role gets privileges: the roles may be others here.
    """
    options = [
        "--single-transaction",
        "--no-owner",
        "--no-comments",  # on extensions, which only their owner may change
        "--no-privileges",
        "--no-publications",
        "--no-subscriptions",
        "--no-security-labels",
    ]
    restoring = _running(programs.folder / "pg_restore", options, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    # If the program has failed, its own message says why.
    with restoring as pipe, suppress(BrokenPipeError), pipe:
        for part in parts:
            pipe.write(part)


@contextmanager
def _running(program: Path, options: list[str], **pipes: int) -> Iterator[IO[bytes]]:
    """The pipe to or from the program, until it has ended. Raises BackupError with what it said when it fails."""
    shown, hidden = connection_of_programs()
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            [program, *options, "--no-password", f"--dbname={shown}"],
            stderr=said,
            env=os.environ | hidden,
            **pipes,  # type: ignore[call-overload]
        )
        pipe = process.stdin or process.stdout
        try:
            yield pipe
            process.wait()
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
            with suppress(BrokenPipeError):
                pipe.close()
        if process.returncode:
            raise BackupError(f"{program.name} failed ({process.returncode}): {_last_lines(said)}")


def _last_lines(said: IO[bytes]) -> str:
    said.seek(0)
    lines = said.read().decode(errors="replace").split("\n")
    return "; ".join([line for line in lines if line][-LINES_SHOWN:]) or "it said nothing"


def connection_of_programs() -> tuple[str, dict[str, str]]:
    """The connection string without secrets, and the environment variables with them. Raises Refused.

    All users of a machine see the command lines of its processes.
    """
    known = {option.keyword.decode(): option for option in pq.Conninfo.get_defaults()}
    shown: dict[str, Any] = {}
    hidden: dict[str, str] = {}
    for keyword, value in connection.get_connection_params().items():
        option = known.get(keyword)
        if option is None or value is None:
            continue  # of psycopg itself
        if option.dispchar != b"*":
            shown[keyword] = value
        elif option.envvar:
            hidden[option.envvar.decode()] = str(value)
        else:
            raise Refused("DATABASE_URL", f"must not have {keyword}, which pg_dump takes on its command line only.")
    return make_conninfo(**shown), hidden
