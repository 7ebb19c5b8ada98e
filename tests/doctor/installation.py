"""A healthy installation in the database of the test, and what its faults are planted with."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import connection

from accounts.models import User
from common import audit_doctor
from common.doctor import examine
from common.secret_keys import running
from common.storage import presence
from livestreams.models import LiveStream
from reminders import services
from tests.commands.test_doctor import GOOD_KEY
from tests.commands.test_doctor_of_reminders import store_heartbeat
from tests.common.sealing import sealed
from tests.common.test_audit_seals import HOUR, START, write
from tests.servers import direct_place
from tests.streams import make_stream

PICTURE = "thumbnails/one.webp"
HEALTHY = {
    "SECRET_KEY": GOOD_KEY,
    "JWT_SIGNING_KEY": GOOD_KEY[::-1],
    "DEBUG": False,
    "PUBLIC_URL": "https://live.example.org",
    "SECURE": True,
    "ALLOWED_HOSTS": ["live.example.org"],
    "TRUSTED_PROXIES": ["192.0.2.7"],
}


@dataclass(frozen=True)
class Site:
    settings: Any
    patch: pytest.MonkeyPatch
    folder: Path  # not that of the pictures
    creator: User
    viewer: User
    now: datetime
    undo: ExitStack  # what a rollback does not undo

    def change(self, **settings: Any) -> None:
        for name, value in settings.items():
            setattr(self.settings, name, value)

    def sql(self, *statements: str) -> None:
        """In the transaction of the test."""
        with connection.cursor() as cursor:
            # A table with foreign keys that wait for the end of the transaction cannot be altered.
            for statement in ("SET CONSTRAINTS ALL IMMEDIATE", *statements):
                cursor.execute(statement)

    def committed(self, *statements: str, undo: str) -> None:
        """In a connection of its own: what doctor reads in another connection than that of the test."""
        own = self.undo.enter_context(psycopg.connect(**direct_place(), autocommit=True))
        self.undo.callback(own.execute, undo)
        for statement in statements:
            own.execute(statement)


@contextmanager
def healthy(site: Site) -> Iterator[Site]:
    """A public service with a worker, a stream with a picture and a reminder, and a sealed audit trail."""
    site.change(**HEALTHY)
    write(site.creator, START, 3)
    sealed(now=START + HOUR)
    stream = make_stream(site.creator, now=site.now, planned_start_at=site.now + timedelta(hours=2))
    services.set_reminder(stream.pk, by=site.viewer, now=site.now, minute=15, language="en")
    LiveStream.objects.filter(pk=stream.pk).update(thumbnail=default_storage.save(PICTURE, ContentFile(b"a picture")))
    store_heartbeat()
    presence.note()
    running.note("serve", host="app-1", pid=1)
    with site.undo:
        yield site


def found() -> set[str]:
    """The codes of `doctor --audit`."""
    codes = {finding.code for finding in examine()}
    # As the command, which does not verify the trail of a database that it cannot read.
    if not codes & {"database_unreachable", "migrations_missing"}:
        codes |= {finding.code for finding in audit_doctor.verify({}, lambda rows: None)[1]}
    return codes
