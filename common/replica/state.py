"""What this process knows about the replica: how far it has replayed, and since when that is known."""

from collections import deque
from time import monotonic
from typing import NamedTuple

from django.conf import settings

from common.metrics import Gauge

CHECK_SECONDS = 0.5


def is_configured() -> bool:
    return bool(settings.DATABASE_REPLICA_URL)


class _Known(NamedTuple):
    """The replica has replayed up to `lsn`, and everything that was committed by `confirmed_at`."""

    lsn: int
    confirmed_at: float  # on the monotonic clock


class Report(NamedTuple):
    """`lag` is in seconds; None before the first successful check."""

    problem: str | None
    lag: float | None


class ReplicaState:
    """The results of checks, which one thread stores and all threads read.

    A check takes the position of the primary, and then the position up to which the replica has replayed. The lag is
    the age of the newest position of the primary that the replica has reached. So it does not grow while the primary is
    idle, needs no clocks of other machines, and grows by itself when there are no checks any more.
    """

    def __init__(self) -> None:
        self._known: _Known | None = None
        self._problem: str | None = "it has not been checked yet"
        self._waiting: deque[tuple[float, int]] = deque()  # positions of the primary that the replica has not reached
        self._confirmed_at: float | None = None
        self._checked_at: float | None = None

    def holds(self, lsn: int) -> bool:
        """Whether the replica may be read, and has everything up to the position `lsn`."""
        known = self._known
        return known is not None and lsn <= known.lsn and not _is_late(known.confirmed_at, monotonic())

    def confirm(self, *, at: float, primary: int, replica: int) -> None:
        """The primary was at the position `primary` at the time `at`, and the replica at `replica` after that."""
        self._waiting.append((at, primary))
        while self._waiting and self._waiting[0][1] <= replica:
            self._confirmed_at = self._waiting.popleft()[0]
        # Only whether a position is too old matters then, not how old it is.
        while len(self._waiting) > 1 and _is_late(self._waiting[1][0], at):
            self._waiting.popleft()
        self._checked_at = at
        if self._confirmed_at is None:
            self._problem = "it has not caught up with the primary yet"
            self._known = None
        else:
            self._known = _Known(replica, self._confirmed_at)
            self._problem = _lateness() if _is_late(self._confirmed_at, at) else None

    def leave_out(self, problem: str) -> None:
        """Do not read the replica before the next successful check."""
        self._known = None
        self._problem = problem

    def forget(self, problem: str) -> None:
        """The same, and what is known about its position is no longer true."""
        self.leave_out(problem)
        self._waiting.clear()
        self._confirmed_at = None

    def report(self) -> Report:
        known, problem, now = self._known, self._problem, monotonic()
        if known is not None and problem is None and _is_late(known.confirmed_at, now):
            problem = _lateness()
        if self._confirmed_at is None or self._checked_at is None:
            return Report(problem, None)
        # Of a replica that is not read the lag grows between checks, too, and without them.
        until = now if problem else self._checked_at
        return Report(problem, max(0.0, until - self._confirmed_at))


def _is_late(confirmed_at: float, now: float) -> bool:
    return now - confirmed_at > settings.DATABASE_REPLICA_MAX_LAG_SECONDS


def _lateness() -> str:
    return "it is late" if settings.DATABASE_REPLICA_MAX_LAG_SECONDS else "DATABASE_REPLICA_MAX_LAG_SECONDS is 0"


STATE = ReplicaState()


def _lag() -> dict[tuple[str, ...], float]:
    lag = STATE.report().lag
    return {} if lag is None else {("replica",): lag}


def _is_read() -> dict[tuple[str, ...], float]:
    return {("replica",): float(STATE.report().problem is None)} if is_configured() else {}


# The label is the name of the entry in DATABASES. Without a replica there is no series.
LAG = Gauge("replica_lag_seconds", "How late the replica is", ["database"], across="livemax", read=_lag)
IS_READ = Gauge("replica_is_read", "Whether all processes read it", ["database"], across="livemin", read=_is_read)
