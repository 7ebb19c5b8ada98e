"""Connections that the threads of a process share: at most so many are open, and a caller waits a limited time for one.

psycopg_pool opens connections in threads of its own, which pause for a second and then ever longer after a failure, and
it looks for one living connection a second. Here the thread that needs a connection opens it itself: a database that is
gone is noticed at once, and so is its return; and of many dead connections none delays a call.
"""

import threading
import time
from collections import deque
from collections.abc import Callable

import psycopg

from common.postgres.bounded import BoundedConnection
from common.postgres.deadlines import seconds_left

# Seconds after which a connection that nobody needed is closed.
IDLE_SECONDS = 600.0

# Each is called with the name of a pool, what happened there, and seconds. `waited`: a caller waited so long for a
# connection. `connect` and `timeout`: a caller got none, because none could be opened or none was returned in time.
observers: list[Callable[[str, str, float], None]] = []


class NoConnectionFree(psycopg.OperationalError):
    """All connections of the pool are in use, and none was returned in time. Nothing was sent to the server."""


class Pool:
    """At most `size` open connections.

    The connection that was returned last is lent first: a burst opens connections that are closed when they are idle
    for long, and the others stay in the caches of their server processes. Callers who wait are served in their order.
    `seconds_to_wait` is called by each of them; none waits beyond the deadline of its thread. `observers` get `name`.
    """

    def __init__(self, size: int, seconds_to_wait: Callable[[], float], name: str = "") -> None:
        self.size = size
        self.name = name
        self._seconds_to_wait = seconds_to_wait
        # The lock guards the next three. The lent and the idle connections together are never more than `size`.
        self._lock = threading.Lock()
        self._idle: deque[BoundedConnection] = deque()
        self._lent = 0
        # A caller waits for its lock. Whoever releases it passes on the right to one connection.
        self._waiting: deque[threading.Lock] = deque()

    def getconn(self, connect: Callable[[], BoundedConnection]) -> BoundedConnection:
        """A living connection, opened by `connect` if none is idle. It must be given to `putconn`.

        Raises NoConnectionFree, and what `connect` raises.
        """
        self._wait_for_one()
        try:
            connection = self._living() or connect()
        except BaseException:
            with self._lock:
                self._pass_on()
            self._tell("connect")
            raise
        connection._pool = self  # type: ignore[assignment]  # where Django's backend returns it to
        return connection

    def putconn(self, connection: BoundedConnection) -> None:
        """Take a connection back. One that is closed or inside a transaction is not kept."""
        connection._pool = None  # no cycle with an idle connection
        is_kept = connection.is_at_rest()
        if not is_kept:
            connection.close()
        now = time.monotonic()
        old = None
        with self._lock:
            if is_kept:
                connection.idle_since = now
                self._idle.append(connection)
                if now - self._idle[0].idle_since > IDLE_SECONDS:
                    old = self._idle.popleft()
            self._pass_on()
        if old is not None:
            old.close()

    def close_idle(self) -> None:
        """Close the connections that nobody uses now."""
        with self._lock:
            idle = list(self._idle)
            self._idle.clear()
        for connection in idle:
            connection.close()

    def connections(self) -> dict[str, int]:
        """How many are in use and idle, and how many callers wait for one."""
        with self._lock:
            return {"used": self._lent, "idle": len(self._idle), "awaited": len(self._waiting)}

    def _wait_for_one(self) -> None:
        with self._lock:
            if self._lent < self.size:
                self._lent += 1
                return
            served = threading.Lock()
            served.acquire()
            self._waiting.append(served)
        seconds = min(self._seconds_to_wait(), seconds_left())
        began = time.monotonic()
        is_served = served.acquire(timeout=seconds)
        self._tell("waited", time.monotonic() - began)
        if is_served:
            return
        with self._lock:
            if served not in self._waiting:  # served in the last moment
                return
            self._waiting.remove(served)
        self._tell("timeout")
        raise NoConnectionFree(
            f"all {self.size} connections are in use, and none was returned in {seconds:.1f} seconds"
        )

    def _tell(self, event: str, seconds: float = 0.0) -> None:
        for observer in observers:
            observer(self.name, event, seconds)

    def _living(self) -> BoundedConnection | None:
        while True:
            with self._lock:
                if not self._idle:
                    return None
                connection = self._idle.pop()
            if connection.is_alive():
                return connection
            connection.close()

    def _pass_on(self) -> None:
        """The caller, who has returned a connection or failed to open one, holds the lock."""
        if self._waiting:
            self._waiting.popleft().release()
        else:
            self._lent -= 1
