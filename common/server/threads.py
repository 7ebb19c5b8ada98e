"""The threads that run Django: few at once, more while calls wait for something, and a limited wait for a thread."""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from queue import SimpleQueue
from typing import Any

from django.db import connections
from django.utils.translation import gettext_lazy as _

from common.metrics import Counter
from common.postgres import deadlines
from common.postgres.base import DatabaseWrapper
from common.refusals import Unavailable

# A call that has run for longer is assumed to wait, for instance for a lock in the database. It keeps its thread, and
# another call may start.
LONG_SECONDS = 0.02
# The interval at which the event loop checks for such calls, and for calls that have ended.
CHECK_SECONDS = 0.01
# How long a call may wait for a thread and for the database altogether. Each wait that begins later is short
# (`deadlines.LEAST_SECONDS`), so that the longest call takes less than five seconds.
CALL_SECONDS = 4.0
# How long a call waits for a thread and for a database connection together.
WAIT_SECONDS = 1.2
# How long it waits for a connection at least, even if it has waited long for its thread: processes that have just
# started serve their first calls slowly.
LEAST_SECONDS = 0.5

WAITS = Counter("thread_waits_total", "Requests that waited for a thread")
SECONDS_WAITED = Counter("thread_wait_seconds_total", "How long they waited")
BUSY = Counter("server_busy_total", "Requests that were refused because no thread became free in time")

_here = threading.local()


class ServerBusy(Unavailable):
    code = "server_busy"
    message = _("too many calls are in progress; try again shortly")


def begin_wait(*, is_long: bool = False) -> None:
    """Call it before waiting for anything but the database, so that another call may start at once.

    Outside of a transaction it also returns the connection of this thread to the pool; the next query takes one again.
    The time of the wait is not part of `CALL_SECONDS`, and after one that `is_long` they begin anew. Outside of a
    request it does nothing.
    """
    if (begin := getattr(_here, "begin_wait", None)) is not None:
        for connection in connections.all(initialized_only=True):
            if isinstance(connection, DatabaseWrapper) and connection.pool and not connection.in_atomic_block:
                connection.close()
        deadlines.pause(CALL_SECONDS if is_long else None)
        begin()


def seconds_to_wait() -> float:
    """How long the call of this thread may wait for a database connection."""
    until: float | None = getattr(_here, "wait_until", None)
    return WAIT_SECONDS if until is None else max(until - time.monotonic(), LEAST_SECONDS)


@dataclass(slots=True, eq=False)
class _Call:
    function: Callable[..., None]
    args: tuple[Any, ...]
    ended: asyncio.Future[None]
    arrived: float  # on the monotonic clock
    since: float  # when it began to wait, then when it began to run
    is_active: bool = False  # it runs, and is not assumed to wait for something
    error: BaseException | None = None

    def settle(self) -> None:
        """Resolve the future that `run` awaits. Runs in the loop."""
        if self.ended.done():  # cancelled
            return
        if self.error is None:
            self.ended.set_result(None)
        else:
            self.ended.set_exception(self.error)


class RequestThreads:
    """Runs calls in at most `count` threads, which are started as they are needed. One event loop uses it.

    Of the calls that do not wait for anything, `at_once` run at the same time: Python runs one thread of a process at a
    time, and a thread that waits for the database lets another one run. Decision 12 has the measurements.

    Waking the event loop costs a tenth of a fast request, because its thread and that of the call contend for the GIL.
    So a thread that has ended a call takes the next waiting one itself, without the loop; and the loop notices the end
    of a call with the next request, or at its next check. A call must therefore send its answer itself.
    """

    def __init__(self, count: int, *, at_once: int) -> None:
        self._count = count
        self._at_once = at_once
        # The lock guards the next three.
        self._lock = threading.Lock()
        self._pending: deque[_Call] = deque()
        self._running: set[_Call] = set()
        self._active = 0  # the number of active calls
        self._started: SimpleQueue[_Call] = SimpleQueue()
        self._ended: deque[_Call] = deque()
        self._threads = 0
        self._is_check_due = False

    @property
    def limit(self) -> int:
        return self._count

    @property
    def waiting(self) -> int:
        """How many calls wait for a thread."""
        return len(self._pending)

    def threads(self) -> dict[tuple[str, ...], float]:
        """How many threads handle a call, and how many others are started."""
        busy = len(self._running)
        return {("busy",): busy, ("idle",): max(0, self._threads - busy)}

    async def run(self, function: Callable[..., None], *args: Any) -> None:
        """Raises ServerBusy when no thread becomes free within `WAIT_SECONDS`, and what `function` raises.

        Returns some time after `function` has.
        """
        loop = asyncio.get_running_loop()
        self._notice_ended()
        now = time.monotonic()
        call = _Call(function, args, loop.create_future(), now, now)
        with self._lock:
            self._pending.append(call)
            self._start(loop, now)
        if not self._is_check_due:
            self._is_check_due = True
            loop.call_later(CHECK_SECONDS, self._check, loop)
        await call.ended

    def _start(self, loop: asyncio.AbstractEventLoop, now: float) -> None:
        """Start what may start. The caller holds the lock."""
        while self._pending and self._active < self._at_once and len(self._running) < self._count:
            self._started.put(self._next(now))
            if self._threads < len(self._running):
                self._threads += 1
                threading.Thread(target=self._work, args=(loop,), name=f"request-{self._threads}", daemon=True).start()

    def _next(self, now: float) -> _Call:
        call = self._pending.popleft()
        if now > call.arrived:
            WAITS.inc()
            SECONDS_WAITED.inc(by=now - call.arrived)
        call.since = now
        call.is_active = True
        self._running.add(call)
        self._active += 1
        return call

    def _deactivate(self, call: _Call) -> None:
        if call.is_active:
            call.is_active = False
            self._active -= 1

    def _check(self, loop: asyncio.AbstractEventLoop) -> None:
        now = time.monotonic()
        overdue: list[_Call] = []
        with self._lock:
            for call in self._running:
                if now - call.since >= LONG_SECONDS:
                    self._deactivate(call)
            while self._pending and now - self._pending[0].since >= WAIT_SECONDS:
                overdue.append(self._pending.popleft())
            self._start(loop, now)
            self._is_check_due = bool(self._running)
        self._notice_ended()
        for call in overdue:
            BUSY.inc()
            call.error = ServerBusy()
            call.settle()
        if self._is_check_due:
            loop.call_later(CHECK_SECONDS, self._check, loop)

    def _notice_ended(self) -> None:
        """Runs in the loop."""
        while self._ended:
            self._ended.popleft().settle()

    def _work(self, loop: asyncio.AbstractEventLoop) -> None:
        """Runs in a thread."""
        while True:
            call: _Call | None = self._started.get()
            while call is not None:
                _here.begin_wait = partial(self._begin_wait, call, loop)
                _here.wait_until = call.arrived + WAIT_SECONDS
                deadlines.begin(call.arrived + CALL_SECONDS)
                try:
                    call.function(*call.args)
                except BaseException as error:
                    call.error = error
                self._ended.append(call)
                if call.error is not None:
                    loop.call_soon_threadsafe(self._notice_ended)
                del _here.begin_wait  # an idle thread must not keep its last call alive
                call = self._end(call)

    def _begin_wait(self, call: _Call, loop: asyncio.AbstractEventLoop) -> None:
        _here.wait_until = None  # afterwards it may wait for a connection as long as a new call
        with self._lock:
            self._deactivate(call)
            self._start(loop, time.monotonic())

    def _end(self, call: _Call) -> _Call | None:
        """The call that the thread of `call` runs next, or None."""
        with self._lock:
            self._running.remove(call)
            self._deactivate(call)
            if self._pending and self._active < self._at_once:
                return self._next(time.monotonic())
        return None
