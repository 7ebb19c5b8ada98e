"""Until when a thread may wait for the database, whatever it waits for."""

import threading
from math import inf
from time import monotonic

# Seconds that each wait has even after the deadline: a call that is late because the machine is busy, and not because
# it waits for the database, goes on as long as its statements are quick.
LEAST_SECONDS = 0.25


class _Own(threading.local):
    until = inf  # on the monotonic clock
    left_at_pause: float | None = None


_own = _Own()


def begin(until: float) -> None:
    """Set the deadline of this thread, on the monotonic clock."""
    _own.until = until
    _own.left_at_pause = None


def pause(left: float | None = None) -> None:
    """Do not count the time from now until this thread needs a database again.

    It then has `left` seconds; by default as many as now.
    """
    _own.left_at_pause = seconds_left() if left is None else left


def seconds_left() -> float:
    """How long this thread may wait now: at least `LEAST_SECONDS`, and without a deadline infinitely long."""
    now = monotonic()
    if _own.left_at_pause is not None:
        begin(now + _own.left_at_pause)
    return max(_own.until - now, LEAST_SECONDS)
