"""Which machines store pictures, and where: processes note it every few minutes, and `doctor` compares.

A folder is shared if each machine finds the fresh marks of the others in it. Names and addresses of machines would not
say so: containers of one machine share a volume or do not, and behind a pooler all connections come from one address.
"""

import logging
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote

from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection
from django.utils import timezone

from common.models import StoragePlace
from common.storage import storage
from common.storage.local import LocalStorage

logger = logging.getLogger(__name__)

NOTED_EVERY = timedelta(minutes=5)
FRESH_FOR = timedelta(minutes=15)
FORGOTTEN_AFTER = timedelta(days=1)
MARK = ".host-"  # files of this process's machine in the folder of pictures, which nobody is served

_NOTE = """
    INSERT INTO common_storageplace (host, place, seen_at) VALUES (%s, %s, clock_timestamp())
    ON CONFLICT (host) DO UPDATE SET place = excluded.place, seen_at = excluded.seen_at
"""


def keep_noting() -> None:
    """Note the machine now and every `NOTED_EVERY`, in a thread that ends with the process."""
    threading.Thread(target=_note_for_ever, name="storage-presence", daemon=True).start()


def _note_for_ever() -> None:
    while True:
        try:
            note()
        except (DatabaseError, InterfaceError, OSError) as error:
            logger.warning("where pictures are stored was not noted: %s", error)
        finally:
            connection.close()
        time.sleep(NOTED_EVERY.total_seconds())


def note(host: str = "") -> None:
    """Note that this machine stores pictures, in the database and in the folder. `host` is for tests."""
    host = host or socket.gethostname()
    found = storage()
    if isinstance(found, LocalStorage):
        folder = Path(settings.MEDIA_ROOT)
        folder.mkdir(parents=True, exist_ok=True)
        _mark(folder, host).touch()
        _remove_old_marks(folder)
    with connection.cursor() as cursor:
        cursor.execute(_NOTE, [host, found.place])
    StoragePlace.objects.filter(seen_at__lt=timezone.now() - FORGOTTEN_AFTER).delete()


def _mark(folder: Path, host: str) -> Path:
    return folder / f"{MARK}{quote(host, safe='')}"


def _remove_old_marks(folder: Path) -> None:
    oldest = time.time() - FORGOTTEN_AFTER.total_seconds()
    for mark in folder.glob(f"{MARK}*"):
        with suppress(FileNotFoundError):
            if mark.stat().st_mtime < oldest:
                mark.unlink()


def others() -> Iterator[StoragePlace]:
    """The other machines whose processes have stored pictures elsewhere within `FRESH_FOR`."""
    found = storage()
    for row in StoragePlace.objects.filter(seen_at__gt=timezone.now() - FRESH_FOR).order_by("host"):
        is_apart = isinstance(found, LocalStorage) and row.host != socket.gethostname() and not _is_marked(row.host)
        if is_apart or row.place != found.place:
            yield row


def _is_marked(host: str) -> bool:
    try:
        return _mark(Path(settings.MEDIA_ROOT), host).stat().st_mtime > time.time() - FRESH_FOR.total_seconds()
    except FileNotFoundError:
        return False
