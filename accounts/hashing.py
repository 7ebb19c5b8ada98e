"""Limits how many password hashes a server process computes at the same time.

A hash keeps a CPU core busy for some tenths of a second, and anonymous clients can cause one. Without a limit, a few
dozen login attempts would occupy all threads of a server process and all its CPU time.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition

from django.conf import settings
from django.utils.translation import gettext_lazy as _

from common.metrics import Gauge
from common.refusals import Unavailable
from common.server.threads import begin_wait

LONGEST_WAIT = 2.0  # seconds

HASHES = Gauge("password_hashes", "Password hashes that are computed (running) or wait for a slot", ["state"])
SLOTS = Gauge("password_hashing_slots", "Password hashes that may be computed at once")


class LoginBusy(Unavailable):
    code = "login_busy"
    message = _("too many people are logging in at this moment; try again in a second")
    retry_after = 1


class HashingSlots:
    """A semaphore of `PASSWORD_HASHING_SLOTS` with a queue of `PASSWORD_HASHING_QUEUE`; further callers are refused.

    So logins occupy at most slots + queue threads, and the server has as many threads again for other calls.
    """

    def __init__(self) -> None:
        self._changed = Condition()
        self._running = 0
        self._waiting = 0

    @contextmanager
    def one(self) -> Iterator[None]:
        """Hold a slot. Raises `LoginBusy` when the queue is full, or after `LONGEST_WAIT`.

        Do not call it inside a transaction, which would keep its locks during the wait.
        """
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

    def hashes(self) -> dict[tuple[str, ...], float]:
        """How many are computed, and how many callers wait."""
        return {("running",): self._running, ("waiting",): self._waiting}

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
HASHES.read = slots.hashes
SLOTS.read = lambda: settings.PASSWORD_HASHING_SLOTS
