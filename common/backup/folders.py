"""The files of a backup: a folder that gets its name when it is whole, with the checksum of each file in it.

    backup-20261128T013000Z/
        manifest.json
        database.dump       of pg_dump, in its custom format
        pictures/...        the stored files, by their names
        audit-archive/...   old months of the audit trail
        SHA256SUMS          as `sha256sum --check` reads it

While it is written its name begins with a dot. The next backup removes what an interrupted one left.
"""

import fcntl
import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import file_digest, sha256
from pathlib import Path, PurePosixPath
from secrets import token_hex
from typing import IO

from common.backup import BackupError, Refused
from common.backup.progress import MEGABYTE
from common.disk import sync_folder
from common.storage.checking import Names

MANIFEST, DUMP, SUMS = "manifest.json", "database.dump", "SHA256SUMS"
PICTURES, ARCHIVES = "pictures/", "audit-archive/"
NEWEST = "newest"
NAME = re.compile(r"backup-\d{8}T\d{6}Z")
LINE = re.compile(r"([0-9a-f]{64})  (\S.*)")
MOST_NAMED = 20  # damaged files


@dataclass(frozen=True)
class Sum:
    """A file of a backup. Its name is a path in the folder."""

    name: str
    digest: str  # SHA-256, hexadecimal
    size: int

    @property
    def line(self) -> bytes:
        return f"{self.digest}  {self.name}\n".encode()


def is_plain(name: str) -> bool:
    """Whether a name is a path below a folder, and can be a line of the checksums."""
    path = PurePosixPath(name)
    return name.isprintable() and "\\" not in name and not path.is_absolute() and not {"..", ""} & {*name.split("/")}


# --- writing --------------------------------------------------------------------------------------


@dataclass
class Draft:
    """A backup that is being written. Several threads may add files."""

    folder: Path
    sums: IO[bytes]
    files: int = 0
    size: int = 0  # bytes

    def write(self, name: str, parts: Iterable[bytes]) -> Sum:
        """Write a file, and wait until it is on the disk. Another thread may list it."""
        path = self.folder / name
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        digest, size = sha256(), 0
        with _created(path) as file:
            for part in parts:
                file.write(part)
                digest.update(part)
                size += len(part)
            file.flush()
            os.fsync(file.fileno())
        return Sum(name, digest.hexdigest(), size)

    def list(self, written: Sum) -> None:
        """Add a file to the checksums. Only one thread may call this."""
        self.sums.write(written.line)
        self.files += 1
        self.size += written.size

    def finish(self, manifest: bytes, now: datetime) -> Path:
        """Write the manifest, and give the folder its final name. Returns the folder."""
        self.list(self.write(MANIFEST, [manifest]))
        self.sums.flush()
        os.fsync(self.sums.fileno())
        for folder, _, _ in os.walk(self.folder):
            sync_folder(Path(folder))
        named = self._free_name(now)
        self.folder.rename(named)
        sync_folder(named.parent)
        return named

    def _free_name(self, now: datetime) -> Path:
        while (path := self.folder.parent / f"backup-{now:%Y%m%dT%H%M%SZ}").exists():
            now += timedelta(seconds=1)
        return path


@contextmanager
def drafted(folder: Path) -> Iterator[Draft]:
    """A backup in `folder`, which is removed unless it is finished. Raises BackupError when the disk is full."""
    draft = folder / f".backup-{token_hex(8)}"
    try:
        draft.mkdir(mode=0o700)
        with _locked(draft), _created(draft / SUMS) as sums:
            yield Draft(draft, sums)
    except OSError as error:
        raise BackupError(f"The backup cannot be written to {folder}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _created(path: Path) -> IO[bytes]:
    """A new file that no other user can read: password hashes and addresses are in a backup."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """The kernel releases the lock when this process dies. Raises BlockingIOError when another process has it."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(handle)


# --- old ones -------------------------------------------------------------------------------------


def remove_interrupted(folder: Path) -> None:
    """Remove what backups that were killed have left."""
    for left in folder.glob(".backup-*"):
        with suppress(OSError), _locked(left):
            shutil.rmtree(left, ignore_errors=True)


def backups_in(folder: Path) -> list[Path]:
    """The whole backups, the oldest one first."""
    return sorted(path for path in folder.glob("backup-*") if NAME.fullmatch(path.name) and path.is_dir())


def prune(folder: Path, keep: int) -> list[str]:
    """Remove all but the newest `keep` backups. Returns their names. Raises BackupError."""
    removed = []
    for path in backups_in(folder)[:-keep]:
        hidden = path.with_name(f".{path.name}")  # so that what is left of it does not look whole
        try:
            path.rename(hidden)
            shutil.rmtree(hidden)
        except OSError as error:
            raise BackupError(f"The backup is made, but {path} cannot be removed: {error.strerror}") from error
        removed.append(path.name)
    return removed


# --- reading --------------------------------------------------------------------------------------


def found(name: str, folder: Path) -> Path:
    """The backup of this path, or of this name in `folder`; "newest" is the newest one there. Raises Refused."""
    if name == NEWEST:
        backups = backups_in(folder)
        if not backups:
            raise Refused("BACKUP_FOLDER", f"has no backup: {folder}")
        return backups[-1]
    for path in (Path(name), folder / name):
        if (path / MANIFEST).is_file():
            return path.absolute()
    raise Refused(
        "backup", f"must be the folder of a backup, with {MANIFEST}; there is none at {name}, nor in {folder}"
    )


def sums_of(backup: Path) -> Iterator[Sum]:
    """The files as they were written, the sizes as they are now. Raises BackupError for a line that is no checksum."""
    with (backup / SUMS).open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            parts = LINE.fullmatch(line.rstrip("\n"))
            if parts is None or not is_plain(parts[2]):
                raise BackupError(f"The backup is damaged: line {number} of {SUMS} is no checksum of a file in it.")
            path = backup / parts[2]
            yield Sum(parts[2], parts[1], path.stat().st_size if path.is_file() else 0)


def refuse_damaged(backup: Path, *, files: int, advance: Callable[[int], None]) -> int:
    """Read every file and compare it with its checksum. Returns the bytes. Raises BackupError.

    `files` is the number of files in the manifest. `advance` is called with the bytes read since its last call.
    """
    damage, listed, size = Names(), 0, 0
    try:
        for each in sums_of(backup):
            listed += 1
            size += each.size
            path = backup / each.name
            if not path.is_file():
                damage.add(f"{each.name} is missing")
                continue
            with path.open("rb") as file:
                if file_digest(file, "sha256").hexdigest() != each.digest:
                    damage.add(f"{each.name} is not what was written")
            advance(each.size)
        present = sum(len(names) for _, _, names in os.walk(backup)) - 1  # without the checksums
    except (OSError, UnicodeDecodeError) as error:
        raise BackupError(f"The backup cannot be read: {error}") from error
    if listed != files or (present != files and not damage.count):
        damage.add(f"{SUMS} lists {listed} files, the folder has {present}, and {files} were written")
    if damage.count:
        more = f"; and {damage.count - MOST_NAMED} more" if damage.count > MOST_NAMED else ""
        raise BackupError(f"The backup is damaged: {'; '.join(damage.first[:MOST_NAMED])}{more}.")
    return size


def refuse_little_space(folder: Path, needed: int) -> None:
    """Raises BackupError. The folder, or one above it, exists."""
    existing = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    free = shutil.disk_usage(existing).free
    if free < needed:
        raise BackupError(
            f"{folder} has {free // MEGABYTE:,} MB of free space, and up to {needed // MEGABYTE:,} MB are needed."
        )
