"""Password hashing in a bounded number of slots a process.

A hash takes a CPU core for some tenths of a second, and whoever asks for one needs no account. Without a bound, a few
dozen login attempts would hold all threads of a server process, and all its CPU time.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition

from django.conf import settings
from django.utils.translation import gettext_lazy as _

from common.refusals import Unavailable
from common.server.threads import begin_wait

LONGEST_WAIT = 2.0  # seconds


class LoginBusy(Unavailable):
    code = "login_busy"
    message = _("too many people are logging in at this moment; try again in a second")
    retry_after = 1


class HashingSlots:
    """`PASSWORD_HASHING_SLOTS` hashes run at once, `PASSWORD_HASHING_QUEUE` more wait; nobody waits beyond those.

    So logins hold at most slots + queue threads, and the server keeps as many threads beside those for other calls.
    """

    def __init__(self) -> None:
        self._changed = Condition()
        self._running = 0
        self._waiting = 0

    @contextmanager
    def one(self) -> Iterator[None]:
        """Raises `LoginBusy` when the queue is full, or after `LONGEST_WAIT`. Do not call it inside a transaction:
        its locks would be held meanwhile."""
        begin_wait()
        with self._changed:
            if not self._is_free() and not self._wait():
                raise LoginBusy
            self._running += 1
        try:
            yield
        finally:
            with self._changed:
                self._running -= 1
                self._changed.notify()

    def _is_free(self) -> bool:
        return self._running < settings.PASSWORD_HASHING_SLOTS

    def _wait(self) -> bool:
        if self._waiting >= settings.PASSWORD_HASHING_QUEUE:
            return False
        self._waiting += 1
        try:
            return self._changed.wait_for(self._is_free, LONGEST_WAIT)
        finally:
            self._waiting -= 1


slots = HashingSlots()
