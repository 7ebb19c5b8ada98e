"""When a failed job is run again: by the clock of the database, which decides what jobs are due."""

import attr
import procrastinate
from procrastinate import RetryDecision
from procrastinate.jobs import Job

from common import clock


@attr.dataclass(kw_only=True)
class RetryStrategy(procrastinate.RetryStrategy):
    """Procrastinate's strategy, whose times are those of this machine, corrected by the difference of the clocks."""

    def get_retry_decision(self, *, exception: BaseException, job: Job) -> RetryDecision | None:
        decision = super().get_retry_decision(exception=exception, job=job)
        if decision is not None and decision.retry_at is not None:
            decision.retry_at += clock.difference()
        return decision
