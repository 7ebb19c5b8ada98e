"""Waiting for revocations: one connection of each process runs LISTEN and wakes the threads that wait.

It is a direct connection outside the pool; the threads that wait have none.

A spurious wake-up costs one query; a missed one leaves a banned viewer in. So a thread queries only after LISTEN is
active, and all threads are woken when the connection was lost and is back.
"""

import logging
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic, sleep

import psycopg
from django.conf import settings
from django.db import DatabaseError, connection
from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils import timezone

from common.direct import direct_connection
from common.server import draining
from common.server.threads import begin_wait
from edges.services import CHANNEL, Cursor, RevocationPage, revocations_after

logger = logging.getLogger(__name__)

LONGEST_WAIT = 25  # seconds; proxies give up on an answer after 30 or 60
SECONDS_UNTIL_RETRY = 2
SECONDS_TO_CONNECT = 5
SECONDS_BETWEEN_CHECKS = 30  # whether the connection is alive, and whether a thread still waits


class _Listener:
    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiters: defaultdict[str, set[threading.Event]] = defaultdict(set)
        self._thread: threading.Thread | None = None
        self._is_listening = False
        self._closing = False
        self._waiting = 0

    @contextmanager
    def waiter(self, stream_id: str) -> Iterator[threading.Event | None]:
        """An event, set at each revocation of this stream. None when too many wait or LISTEN does not become active."""
        event = self._registered(stream_id)
        if event is None:
            yield None
            return
        begin_wait(is_long=True)
        try:
            with self._changed:
                is_listening = self._changed.wait_for(lambda: self._is_listening, SECONDS_TO_CONNECT)
            yield event if is_listening else None
        finally:
            with self._changed:
                self._waiting -= 1
                self._waiters[stream_id].discard(event)
                if not self._waiters[stream_id]:
                    del self._waiters[stream_id]

    def _registered(self, stream_id: str) -> threading.Event | None:
        with self._changed:
            if self._waiting >= settings.WAITING_POLLS:
                return None
            self._waiting += 1
            event = threading.Event()
            self._waiters[stream_id].add(event)
            if self._thread is None:
                self._thread = threading.Thread(target=self._listen, name="revocations", daemon=True)
                self._thread.start()
            return event

    def close(self) -> None:
        """Stop listening and wait until the connection is closed. The next waiter starts a new thread."""
        with self._changed:
            thread, self._closing = self._thread, True
        if thread is not None:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_notify(%s, '')", [CHANNEL])
            thread.join()
        self._closing = False

    def _listen(self) -> None:
        while True:
            lost = False
            own = direct_connection()
            try:
                self._listen_until_done(own)
            except (DatabaseError, psycopg.Error) as error:
                lost = True
                logger.warning("lost the connection that listens for revocations", exc_info=error)
            finally:
                own.close()
            with self._changed:
                self._is_listening = False
                if self._is_done():
                    self._thread = None
                    return
            if lost:
                sleep(1)

    def _listen_until_done(self, own: BaseDatabaseWrapper) -> None:
        """Returns when no thread waits any more."""
        own.ensure_connection()
        listening: psycopg.Connection = own.connection
        listening.execute(f"LISTEN {CHANNEL}".encode())
        with self._changed:
            self._is_listening = True
            self._changed.notify_all()
        self.wake(None)
        while not self._is_done():
            for notice in listening.notifies(timeout=SECONDS_BETWEEN_CHECKS):
                self.wake(notice.payload)
                if self._is_done():
                    return
            listening.execute("SELECT 1")

    def _is_done(self) -> bool:
        return self._closing or not self._waiting

    def wake(self, stream_id: str | None) -> None:
        """Wake the threads that wait for this stream; with None all of them."""
        with self._changed:
            streams = list(self._waiters) if stream_id is None else [stream_id]
            for each in streams:
                for event in self._waiters.get(each, ()):
                    event.set()


LISTENER = _Listener()
draining.call_at_end(lambda: LISTENER.wake(None))  # the calls get an empty page, and call another process


def polled_revocations(cursor: Cursor, *, waits: bool) -> tuple[RevocationPage, bool]:
    """The revocations after `cursor`. With `waits`, and while there are none, waits for them.

    The second value is False when it could not wait, because too many calls wait or LISTEN does not become active.
    """
    page = revocations_after(cursor, now=timezone.now())
    if not waits or page.cursor != cursor:
        return page, True
    awaited = awaited_revocations(cursor)
    return (page, False) if awaited is None else (awaited, True)


def awaited_revocations(cursor: Cursor) -> RevocationPage | None:
    """The revocations after `cursor`, waiting up to LONGEST_WAIT seconds for the first. None when it cannot wait."""
    until = monotonic() + LONGEST_WAIT
    with LISTENER.waiter(cursor.stream_id) as event:
        if event is None:
            return None
        while True:
            event.clear()
            page = revocations_after(cursor, now=timezone.now())
            left = until - monotonic()
            if left <= 0 or page.cursor != cursor or draining.has_ended_waits():
                return page
            begin_wait(is_long=True)
            event.wait(left)
