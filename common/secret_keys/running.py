"""Which processes run, and with which keys: servers and workers note it in the database, and others compare.

Only fingerprints are noted.
"""

import logging
import os
import socket
import threading
import time
from datetime import timedelta
from typing import Any

import psutil
from django.db import DatabaseError, InterfaceError, connection
from django.db.models.functions import Now
from psycopg.types.json import Jsonb

from common.models import RunningProcess
from common.secret_keys import fingerprints

logger = logging.getLogger(__name__)

NOTED_EVERY = timedelta(seconds=30)
FRESH_FOR = timedelta(seconds=75)  # more than two notes
FORGOTTEN_AFTER = timedelta(days=1)

_NOTE = """
    INSERT INTO common_runningprocess (id, host, pid, role, began, keys, seen_at)
    VALUES (%(id)s, %(host)s, %(pid)s, %(role)s, %(began)s, %(keys)s, clock_timestamp())
    ON CONFLICT (id) DO UPDATE SET
        role = excluded.role, began = excluded.began, keys = excluded.keys, seen_at = excluded.seen_at
"""
_NOTE_USE = """
    INSERT INTO common_keyuse AS known (id, name, fingerprint, first_seen_at, first_signed_at, last_signed_at)
    SELECT name || ' ' || fingerprint, name, fingerprint, clock_timestamp(),
        CASE WHEN signs THEN clock_timestamp() END, CASE WHEN signs THEN clock_timestamp() END
    FROM unnest(%(names)s::text[], %(fingerprints)s::text[], %(signs)s::boolean[]) AS used (name, fingerprint, signs)
    ORDER BY 1
    ON CONFLICT (id) DO UPDATE SET
        first_signed_at = coalesce(known.first_signed_at, excluded.first_signed_at),
        last_signed_at = coalesce(excluded.last_signed_at, known.last_signed_at)
    WHERE excluded.last_signed_at IS NOT NULL
"""


def keep_noting(role: str) -> None:
    """Note the process now and every `NOTED_EVERY`, in a thread that ends with the process."""
    threading.Thread(target=_note_for_ever, args=[role], name="running-process", daemon=True).start()


def _note_for_ever(role: str) -> None:
    while True:
        try:
            note(role)
        except (DatabaseError, InterfaceError, OSError) as error:
            logger.warning("the fingerprints of the keys were not noted: %s", error)
        finally:
            connection.close()
        time.sleep(NOTED_EVERY.total_seconds())


def note(role: str, *, host: str = "", pid: int = 0) -> None:
    """Note this process. `host` and `pid` are for tests, which note others."""
    host, pid = host or socket.gethostname(), pid or os.getpid()
    keys = fingerprints.own()
    used = [(name, noted, place == 0) for name, all_noted in keys.items() for place, noted in enumerate(all_noted)]
    names, prints, signs = map(list, zip(*used, strict=True))
    values: dict[str, Any] = {
        "id": f"{host}:{pid}",
        "host": host,
        "pid": pid,
        "role": role,
        "keys": Jsonb(keys),
        "began": _began(pid),
    }
    with connection.cursor() as cursor:
        cursor.execute(_NOTE, values)
        cursor.execute(_NOTE_USE, {"names": names, "fingerprints": prints, "signs": signs})
    RunningProcess.objects.filter(seen_at__lt=Now() - FORGOTTEN_AFTER).delete()


def _began(pid: int) -> float:
    """When the process began, in seconds since 1970, by which a later process with its number differs."""
    try:
        return psutil.Process(pid).create_time()
    except psutil.NoSuchProcess:
        return 0.0


def processes() -> list[RunningProcess]:
    """The running processes of all machines. One that ended on another machine is listed for `FRESH_FOR`."""
    here = socket.gethostname()
    rows = RunningProcess.objects.filter(seen_at__gt=Now() - FRESH_FOR).order_by("host", "role", "pid")
    return [row for row in rows if row.host != here or _began(row.pid) == row.began]
