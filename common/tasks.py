"""Periodic tasks that maintain the job queue and the stored answers."""

from django.utils import timezone
from procrastinate import JobContext

from common.idempotency import delete_expired
from common.jobs import FIRST, SLOW_QUEUE, maintenance, periodic

EVERY_TEN_SECONDS = "* * * * * */10"  # the seconds are the last field
EVERY_TEN_MINUTES = "*/10 * * * *"
NIGHTLY = "17 3 * * *"


@periodic(EVERY_TEN_SECONDS, priority=FIRST, pass_context=True)
async def take_over_stalled_jobs(context: JobContext, timestamp: int) -> None:
    await maintenance.take_over_stalled_jobs(context.app.job_manager)


@periodic(NIGHTLY, pass_context=True)
async def forget_failed_jobs(context: JobContext, timestamp: int) -> None:
    await maintenance.delete_failed_jobs(context.app.job_manager)


ANSWERS_AT_ONCE = 1000  # rows a transaction


@periodic(EVERY_TEN_MINUTES, queue=SLOW_QUEUE)
def forget_answers(timestamp: int) -> None:
    """Delete the stored answers whose keys have expired."""
    while delete_expired(ANSWERS_AT_ONCE, now=timezone.now()) == ANSWERS_AT_ONCE:
        pass
