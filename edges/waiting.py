"""Waiting for news of bans: one connection of each process listens, and rings for those of its threads that wait.

A bell that rings once too often costs a look into the database; one that was missed would cost a viewer who stays. So
a waiter looks only after it can hear, and all are rung when the connection was lost and is back.
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
from django.utils import timezone

from common.server.threads import begin_wait
from edges.services import CHANNEL, Cursor, News, news_since

logger = logging.getLogger(__name__)

LONGEST_WAIT = 25  # seconds; proxies give up on an answer after 30 or 60
SECONDS_UNTIL_RETRY = 2
SECONDS_TO_CONNECT = 5
SECONDS_BETWEEN_CHECKS = 30  # that the connection still lives, and that somebody still waits


class _Listener:
    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._bells: defaultdict[str, set[threading.Event]] = defaultdict(set)
        self._thread: threading.Thread | None = None
        self._hears = False
        self._closing = False
        self._waiting = 0

    @contextmanager
    def bell(self, stream_id: str) -> Iterator[threading.Event | None]:
        """An event that is set at news of this stream, or None when too many wait or nothing can be heard."""
        bell = self._hung_up(stream_id)
        if bell is None:
            yield None
            return
        begin_wait()
        try:
            with self._changed:
                hears = self._changed.wait_for(lambda: self._hears, SECONDS_TO_CONNECT)
            yield bell if hears else None
        finally:
            with self._changed:
                self._waiting -= 1
                self._bells[stream_id].discard(bell)
                if not self._bells[stream_id]:
                    del self._bells[stream_id]

    def _hung_up(self, stream_id: str) -> threading.Event | None:
        with self._changed:
            if self._waiting >= settings.WAITING_POLLS:
                return None
            self._waiting += 1
            bell = threading.Event()
            self._bells[stream_id].add(bell)
            if self._thread is None:
                self._thread = threading.Thread(target=self._listen, name="revocations", daemon=True)
                self._thread.start()
            return bell

    def close(self) -> None:
        """Stop listening, and return when the connection is closed; the next waiter begins anew."""
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
            try:
                self._hear()
            except (DatabaseError, psycopg.Error) as error:
                lost = True
                logger.warning("lost the connection that hears of bans", exc_info=error)
            finally:
                connection.close()
            with self._changed:
                self._hears = False
                if self._is_done():
                    self._thread = None
                    return
            if lost:
                sleep(1)

    def _hear(self) -> None:
        """Returns when nobody waits any more."""
        connection.ensure_connection()
        heard: psycopg.Connection = connection.connection
        heard.execute(f"LISTEN {CHANNEL}".encode())
        with self._changed:
            self._hears = True
            self._changed.notify_all()
        self._ring(None)
        while not self._is_done():
            for notice in heard.notifies(timeout=SECONDS_BETWEEN_CHECKS):
                self._ring(notice.payload)
                if self._is_done():
                    return
            heard.execute("SELECT 1")

    def _is_done(self) -> bool:
        return self._closing or not self._waiting

    def _ring(self, stream_id: str | None) -> None:
        """Wake those who wait for this stream; with None all."""
        with self._changed:
            streams = list(self._bells) if stream_id is None else [stream_id]
            for each in streams:
                for bell in self._bells.get(each, ()):
                    bell.set()


LISTENER = _Listener()


def awaited_news(cursor: Cursor) -> News | None:
    """What comes after `cursor` within LONGEST_WAIT seconds, perhaps nothing; None when there is no room to wait."""
    until = monotonic() + LONGEST_WAIT
    with LISTENER.bell(cursor.stream_id) as bell:
        if bell is None:
            return None
        while True:
            bell.clear()
            news = news_since(cursor, now=timezone.now())
            left = until - monotonic()
            if left <= 0 or news.cursor != cursor:
                return news
            bell.wait(left)
