"""Turns at a stream are served in the order in which they were asked for."""

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
from tests.reminders.processes import wait_until
from tests.streams import make_stream

pytestmark = pytest.mark.django_db(transaction=True)

STREAM = "673ac9e2c93fe18d3fdd23f1"


def is_somebody_waiting() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
        return cursor.rowcount > 0


def beside(act: Callable[[], object]) -> object:
    """What `act` returns in another thread, with a connection of its own."""
    try:
        return act()
    finally:
        connections.close_all()


@transaction.atomic
def holding(turn: Callable[[str], None], until: Event, *, at_most: str = "30s") -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL lock_timeout = '{at_most}'")
    turn(STREAM)
    until.wait(30)


def test_any_number_share_a_turn() -> None:
    done = Event()
    with ThreadPoolExecutor() as pool:
        first = pool.submit(beside, lambda: holding(share_stream_lock, done))
        done.set()
        holding(share_stream_lock, done, at_most="1s")
        first.result()


def test_who_waits_to_be_alone_is_not_passed_by_those_who_share() -> None:
    done = Event()
    with ThreadPoolExecutor() as pool:
        sharing = pool.submit(beside, lambda: holding(share_stream_lock, done))
        alone = pool.submit(beside, lambda: holding(take_stream_lock, done))
        wait_until(is_somebody_waiting)
        with pytest.raises(OperationalError, match="lock timeout"):
            holding(share_stream_lock, done, at_most="200ms")
        done.set()
        sharing.result()
        alone.result()


def test_who_waited_for_a_ban_sees_it(creator: User, viewer: User) -> None:
    stream, now = make_stream(creator), timezone.now()
    with ThreadPoolExecutor() as pool:
        with transaction.atomic():
            ban_user(viewer.pk, stream.pk, by=creator, now=now)
            asking = pool.submit(
                beside, lambda: set_reminder(stream.pk, by=viewer, now=now, minute=None, language="en")
            )
            wait_until(is_somebody_waiting)
        with pytest.raises(Banned):
            asking.result()
