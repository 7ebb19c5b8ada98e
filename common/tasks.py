"""Periodic tasks that maintain the job queue."""

from procrastinate import JobContext

from common.jobs import FIRST, maintenance, periodic

EVERY_TEN_SECONDS = "* * * * * */10"  # the seconds are the last field


@periodic(EVERY_TEN_SECONDS, priority=FIRST, pass_context=True)
async def take_over_stalled_jobs(context: JobContext, timestamp: int) -> None:
    await maintenance.take_over_stalled_jobs(context.app.job_manager)
