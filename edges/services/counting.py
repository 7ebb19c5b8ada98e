"""Counting many rows in passes of small chunks, by workers and by whoever asks for the numbers.

The load is bounded by time: a pass that took one second is followed by at least nine seconds without one. So numbers
are fresh where counting is cheap, and in a big installation they are older, instead of slowing down the database.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import perf_counter

from django.db import OperationalError, transaction

from common.jobs import stopping
from common.locks import AdvisoryLock
from common.queries import TEXT, Param, Question
from edges.models import CountingPass

logger = logging.getLogger(__name__)

LOWEST_ID = "0" * 24  # no row has it, so a pass begins after it
ALL = 2_147_483_647  # as up_to: count every row
LARGEST_SHARE = 10  # a pass of a second at most every ten seconds
ABANDONED_AFTER = timedelta(seconds=10)

COUNTING = AdvisoryLock("counting pass")

_CURRENT = Question(lambda: CountingPass.objects.filter(pk=Param("name", TEXT)))


@dataclass(frozen=True)
class Counting:
    """One kind of counting; `name` identifies it in the database.

    `count` counts a chunk: it takes the id after which the chunk begins (None for the first one) and the pass, and
    returns the last id of the chunk, or None if it was the last one. A pass of `t` seconds is repeated after
    `rest * t` seconds, but it need not be repeated before `longest` has passed, unless `LARGEST_SHARE` demands more.
    """

    name: str
    count: Callable[[str | None, CountingPass], str | None]
    rest: int
    longest: timedelta

    def is_due(self, current: CountingPass | None, now: datetime) -> bool:
        if current is None or current.after is not None:
            return True
        took = timedelta(seconds=current.seconds)
        # The clock of the machine that began the pass may be ahead of this one.
        return abs(now - current.begun_at) >= max(LARGEST_SHARE * took, min(self.longest, self.rest * took))

    def current(self) -> CountingPass | None:
        found: CountingPass | None = _CURRENT.instance(name=self.name)
        return found

    @transaction.atomic
    def take_step(self, now: datetime) -> bool:
        """Begin a pass if one is due, or count the next chunk of the one that has begun.

        Returns whether there is more to count. While another process counts a chunk, this does nothing.
        """
        if not COUNTING.try_take(self.name):
            return False
        current = self.current()
        if not self.is_due(current, now):
            return False
        if current is None:
            current = CountingPass(name=self.name, begun_at=now, seconds=0.0)
        elif current.after is None:
            current.before_at, current.begun_at, current.seconds = current.begun_at, now, 0.0
        began = perf_counter()
        current.after = self.count(current.after, current)
        current.seconds += perf_counter() - began
        current.save()
        return current.after is not None

    def finish_pass(self, now: datetime) -> None:
        """Count all chunks of a pass, if one is due. For workers: it stops after a chunk when the worker is stopped."""
        while self.take_step(now) and not stopping.is_requested():
            pass

    def refresh(self, now: datetime) -> None:
        """Count one chunk if a pass is due. For requests: the numbers that are there are used if that fails.

        A pass that has begun is left to the worker that counts it, until `ABANDONED_AFTER`.
        """
        current = self.current()
        if not self.is_due(current, now) or _is_being_counted(current, now):
            return
        try:
            self.take_step(now)
        except OperationalError:
            logger.warning("a chunk of the counting of %s could not be counted", self.name, exc_info=True)


def _is_being_counted(current: CountingPass | None, now: datetime) -> bool:
    return current is not None and current.after is not None and abs(now - current.begun_at) < ABANDONED_AFTER
