"""The clock of the database, by which tasks decide what is due: all machines share it.

The clock of one machine may be wrong. A worker whose clock is half an hour fast would do what is not due yet, give up
what is still in time, and put off its retries.
"""

import logging
from datetime import datetime, timedelta
from time import monotonic

from django.db import connection
from django.utils import timezone

logger = logging.getLogger(__name__)

TOLERANCE = timedelta(seconds=30)
WARN_EVERY = 60.0  # seconds


class _Difference:
    """How far the database is ahead of this machine, as measured last by this process. Zero before that."""

    def __init__(self) -> None:
        self.value = timedelta(0)
        self.warn_after = float("-inf")

    def warn(self) -> None:
        if monotonic() >= self.warn_after:
            self.warn_after = monotonic() + WARN_EVERY
            logger.error(
                "the clocks of this machine and of the database differ by %.0f seconds; what must not happen early"
                " waits for a worker whose clock agrees",
                abs(self.value.total_seconds()),
            )


_difference = _Difference()


def database_time() -> datetime:
    """The present time by the clock of the database, in one statement. Measures the difference of the clocks, too."""
    before = timezone.now()
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        now: datetime = cursor.fetchone()[0]
    _difference.value = now - before
    return now


def agreed_time() -> datetime | None:
    """The same, or None and a warning in the log when the clocks differ by more than TOLERANCE.

    It does not follow which of the two clocks is right, so what must not happen early waits until they agree.
    """
    now = database_time()
    if abs(_difference.value) <= TOLERANCE:
        return now
    _difference.warn()
    return None


def difference() -> timedelta:
    """How far the database was ahead of this machine when this process measured it last; zero if it never did."""
    return _difference.value
