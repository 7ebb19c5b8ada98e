"""Real worker processes on the database of the test, and many users with reminders on a stream."""

import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType

from django.conf import settings
from django.db import connection

from livestreams.models import LiveStream
from tests.patience import wait_until
from tests.reminders.receiver import Gateway
from tests.reminders.sending import SECRET
from tests.servers import with_database_url

type Process = subprocess.Popen[bytes]

QUEUES = 2  # each process registers one worker for each
QUICK = {"WORKER_HEARTBEAT_SECONDS": "1", "WORKER_LOST_AFTER_SECONDS": "3"}

_USERS = """
    INSERT INTO accounts_user (
        id, password, username, username_key, name, surname, email, availability_status, is_superuser, is_staff,
        is_active, created_at, updated_at, identity_issuer, identity_subject
    )
    SELECT int4send(1700000000 + number) || '\\x0000000006'::bytea || substr(int4send(number), 2),
        '!', 'waiting' || number, 'waiting' || number, 'John', 'Smith', '', 'offline', false, false, true,
        now(), now(), '', ''
    FROM generate_series(1, %s) AS number
"""
_REMINDERS = """
    INSERT INTO reminders_reminder (id, stream_id, user_id, minute, language, created_at, updated_at)
    SELECT int4send(1700000000) || '\\x0000000007'::bytea || substr(int4send(row_number() OVER ()::int), 2),
        %s, id, NULL, 'en', now(), now()
    FROM accounts_user WHERE username LIKE 'waiting%%'
"""


def let_wait(people: int, stream: LiveStream) -> None:
    """Insert so many users, each with a reminder for the start of `stream`."""
    with connection.cursor() as cursor:
        cursor.execute(_USERS, [people])
        cursor.execute(_REMINDERS, [bytes.fromhex(stream.pk)])
        cursor.execute("ANALYZE accounts_user, reminders_reminder")


def posting_to(gateway: Gateway) -> dict[str, str]:
    """The environment variables of a process that sends to this gateway."""
    return {
        "NOTIFICATION_CHANNELS": "webhook",
        "WEBHOOK_URL": gateway.url,
        "WEBHOOK_SECRETS": SECRET,
        "WEBHOOK_ALLOW_PRIVATE": "true",
    }


def start_worker(environment: Mapping[str, str] = MappingProxyType({})) -> Process:
    return subprocess.Popen(
        [sys.executable, "manage.py", "worker"],
        cwd=settings.BASE_DIR,
        env=with_database_url() | {"LOG_LEVEL": "WARNING"} | QUICK | dict(environment),
    )


def newest_worker() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT coalesce(max(id), 0) FROM procrastinate_workers")
        return int(cursor.fetchone()[0])


def are_ready(count: int, *, since: int) -> bool:
    """Whether so many processes have registered their workers after `newest_worker` was `since`."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM procrastinate_workers WHERE id > %s", [since])
        return bool(cursor.fetchone()[0] >= count * QUEUES)


@contextmanager
def running_workers(
    count: int = 1, *, environment: Mapping[str, str] = MappingProxyType({})
) -> Iterator[list[Process]]:
    """Starts workers, waits until they have registered, and kills the processes in the list at the end."""
    before = newest_worker()
    workers = [start_worker(environment) for _ in range(count)]
    try:
        wait_until(lambda: are_ready(count, since=before))
        yield workers
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()
