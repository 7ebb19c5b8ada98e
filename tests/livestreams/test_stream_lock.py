"""The advisory lock of a stream is granted in the order of the requests."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest
from django.db import OperationalError, connection, connections, transaction
from django.utils import timezone

from accounts.models import User
from bans.services import ban_user
from livestreams.services import Banned, share_stream_lock, take_stream_lock
from reminders.services import set_reminder
from tests.backends import waiting_locks
from tests.patience import PATIENCE, wait_until
from tests.streams import make_stream

pytestmark = pytest.mark.django_db(transaction=True)

STREAM = "673ac9e2c93fe18d3fdd23f1"


def is_somebody_waiting() -> bool:
    return waiting_locks("locktype = 'advisory'") > 0


def in_own_connection(work: Callable[[], object]) -> object:
    """The result of `work`, called in another thread. Closes the connection of that thread."""
    try:
        return work()
    finally:
        connections.close_all()


@transaction.atomic
def holding(lock: Callable[[str], None], until: Event, *, at_most: str = f"{PATIENCE}s") -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL lock_timeout = '{at_most}'")
    lock(STREAM)
    assert until.wait(PATIENCE)


def test_shared_locks_do_not_exclude_each_other() -> None:
    done = Event()
    with ThreadPoolExecutor() as pool:
        first = pool.submit(in_own_connection, lambda: holding(share_stream_lock, done))
        done.set()
        holding(share_stream_lock, done, at_most="1s")
        first.result()


def test_a_waiting_exclusive_lock_is_not_starved_by_shared_ones() -> None:
    done = Event()
    with ThreadPoolExecutor() as pool:
        shared = pool.submit(in_own_connection, lambda: holding(share_stream_lock, done))
        exclusive = pool.submit(in_own_connection, lambda: holding(take_stream_lock, done))
        wait_until(is_somebody_waiting)
        with pytest.raises(OperationalError, match="lock timeout"):
            holding(share_stream_lock, done, at_most="200ms")
        done.set()
        shared.result()
        exclusive.result()


def test_a_transaction_that_waited_for_a_ban_sees_it(creator: User, viewer: User) -> None:
    stream, now = make_stream(creator), timezone.now()
    with ThreadPoolExecutor() as pool:
        with transaction.atomic():
            ban_user(viewer.pk, stream.pk, by=creator, now=now)
            asking = pool.submit(
                in_own_connection, lambda: set_reminder(stream.pk, by=viewer, now=now, minute=None, language="en")
            )
            wait_until(is_somebody_waiting)
        with pytest.raises(Banned):
            asking.result()
