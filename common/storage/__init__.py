"""Stored files (pictures), the same in a folder and in a bucket: stored whole or not at all, renamed, removed, listed.

`settings.STORAGES` names one of the two storages, `local.py` or `s3.py`. Callers use the functions of this module and
never a path. Both storages raise `StorageFull` and `StorageUnavailable` and no errors of their libraries, and
FileNotFoundError for a file that is missing.

A file is stored before the transaction that names it, and is removed by a job of the transaction that no longer names
it. So a row never names a file that is not there, and what a crash leaves behind is a file without a row: `media check`
finds it.
"""

import logging
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Protocol, cast

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from procrastinate.contrib.django import app

from common.jobs.declaring import SLOW_QUEUE
from common.rollbacks import may_be_committed, on_rollback
from common.server.threads import begin_wait
from common.storage.backups import BACKUP
from common.storage.files import TEMPORARY, StorageFull, StorageUnavailable, StoredFile, counted

__all__ = [
    "TEMPORARY",
    "FileStorage",
    "StorageFull",
    "StorageUnavailable",
    "StoredFile",
    "forget",
    "forget_unless_backed_up",
    "removed_later",
    "storage",
    "stored",
]

logger = logging.getLogger(__name__)

# Files that a process stores at the same time. A storage that hangs then holds a few threads only.
STORED_AT_ONCE = 4
WAIT_SECONDS = 1.0
_places = threading.BoundedSemaphore(STORED_AT_ONCE)


class FileStorage(Protocol):
    """What `local.py` and `s3.py` have in common. `place` names the bucket, and is the same for all folders."""

    @property
    def place(self) -> str: ...
    def save(self, name: str, content: "ContentFile[bytes]") -> str: ...
    def exists(self, name: str) -> bool: ...
    def delete(self, name: str) -> None:
        """Does nothing if there is no such file."""

    def read(self, name: str) -> bytes: ...
    def move(self, old: str, new: str) -> None:
        """Give the file another name, replacing a file of that name.

        May be repeated, also after an interruption: without a file `old`, a file `new` is enough. Raises
        FileNotFoundError when there is neither.
        """

    def walk(self, folders: Iterable[str]) -> Iterator[StoredFile]:
        """All files below the folders (names that end in a slash), and temporary ones beside them, in any order."""


def storage() -> FileStorage:
    return cast("FileStorage", default_storage)


@contextmanager
def stored(files: Mapping[str, bytes]) -> Iterator[None]:
    """Store all files, by name, around the change that names them. None is left when the block raises.

    Raises StorageFull, StorageUnavailable.
    """
    names: list[str] = []
    try:
        for name, content in files.items():
            _store(name, content)
            names.append(name)
        on_rollback(lambda: _forget_if_undone(names))
        yield
    except BaseException:
        _forget_if_undone(names)
        raise


def _store(name: str, content: bytes) -> None:
    begin_wait()
    if not _places.acquire(timeout=WAIT_SECONDS):
        raise counted(StorageUnavailable())
    try:
        storage().save(name, ContentFile(content))
    finally:
        _places.release()


def _forget_if_undone(names: Sequence[str]) -> None:
    """Remove files whose change failed with the exception that is being handled.

    They are kept, for `media check` to find, if the change may have been committed: a row without its file does harm, a
    file without a row does not. And if the storage does not answer, which would double the wait.
    """
    if not names:
        return
    error = sys.exception()
    if isinstance(error, StorageUnavailable) or may_be_committed(error):
        logger.warning("files are left of a change that failed: %s", ", ".join(names))
        return
    forget(names)


def forget(names: Iterable[str]) -> list[str]:
    """Remove the files. Raises nothing; returns, and logs, the names of those that could not be removed."""
    left = []
    for name in names:
        try:
            storage().delete(name)
        except (StorageUnavailable, StorageFull) as error:
            logger.warning("the file %s was not removed: %s", name, error.__cause__ or error)
            left.append(name)
    return left


def forget_unless_backed_up(names: Sequence[str]) -> list[str]:
    """As `forget`, for files that a committed change no longer names; while a backup runs, a job does it later."""
    if BACKUP.is_held():
        removed_later(names)
        return []
    return forget(names)


def removed_later(names: Sequence[str]) -> None:
    """Defer a job that removes the files after this transaction has committed."""
    app.configure_task("common.tasks.remove_files", queue=SLOW_QUEUE).defer(names=list(names))
