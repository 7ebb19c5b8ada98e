"""Files in a folder of this machine, or of a file system that several machines share."""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex
from typing import Any

from django.core.files import File
from django.core.files.storage import FileSystemStorage

from common.disk import sync_folder
from common.storage.files import TEMPORARY, StoredFile, counted, refusal_of


class LocalStorage(FileSystemStorage):
    """Django's, with files that are complete as soon as they have their name, also after a crash of the machine."""

    @property
    def place(self) -> str:
        return "a folder"

    @property
    def _root(self) -> Path:
        return Path(self.location)

    def _save(self, name: str, content: "File[bytes]") -> str:
        path = Path(self.path(name))
        with _refused():
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary = path.with_name(f"{TEMPORARY}{token_hex(16)}")
            try:
                self._write(temporary, content.chunks())
                temporary.replace(path)
            except BaseException:
                temporary.unlink(missing_ok=True)
                raise
            sync_folder(path.parent)
        return name

    def _write(self, path: Path, chunks: Iterable[bytes]) -> None:
        """Write a new file, and wait until its content is on the disk."""
        with path.open("xb") as file:
            if (mode := self.file_permissions_mode) is not None:
                os.fchmod(file.fileno(), mode)
            for chunk in chunks:
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())

    def _open(self, name: str, mode: str = "rb") -> "File[Any]":
        with _refused():
            return File(Path(self.path(name)).open(mode))

    def read(self, name: str) -> bytes:
        with _refused():
            return Path(self.path(name)).read_bytes()

    def exists(self, name: str) -> bool:
        # Not os.path.exists: a folder that cannot be read has perhaps the file.
        with _refused():
            try:
                os.lstat(self.path(name))
            except FileNotFoundError:
                return False
            return True

    def delete(self, name: str) -> None:
        with _refused():
            super().delete(name)

    def move(self, old: str, new: str) -> None:
        before, after = Path(self.path(old)), Path(self.path(new))
        with _refused():
            after.parent.mkdir(parents=True, exist_ok=True)
            try:
                before.replace(after)
            except FileNotFoundError:
                if not after.exists():
                    raise
                return
            sync_folder(after.parent)

    def walk(self, folders: Iterable[str]) -> Iterator[StoredFile]:
        with _refused():
            for entry in _entries(self._root):
                if entry.name.startswith(TEMPORARY) and entry.is_file(follow_symlinks=False):
                    yield _stored(entry.name, entry)
            for folder in folders:
                yield from self._below(folder)

    def _below(self, folder: str) -> Iterator[StoredFile]:
        waiting = [folder]
        while waiting:
            inside = waiting.pop()
            for entry in _entries(self._root / inside):
                try:
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(f"{inside}{entry.name}/")
                    else:
                        yield _stored(f"{inside}{entry.name}", entry)
                except FileNotFoundError:
                    continue  # it was removed since


def _stored(name: str, entry: "os.DirEntry[str]") -> StoredFile:
    found = entry.stat(follow_symlinks=False)
    return StoredFile(name, found.st_mtime, found.st_size)


def _entries(folder: Path) -> Iterator["os.DirEntry[str]"]:
    """The entries of a folder, which are read as they are needed. None if it does not exist."""
    try:
        with os.scandir(folder) as entries:
            yield from entries
    except FileNotFoundError:
        return


@contextmanager
def _refused() -> Iterator[None]:
    """Errors of the file system as refusals, but for a missing file."""
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as error:
        raise counted(refusal_of(error)) from error
