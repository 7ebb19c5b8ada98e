"""Recover the jobs of workers that were killed."""

import logging

from django.conf import settings
from procrastinate import exceptions
from procrastinate.jobs import Status
from procrastinate.manager import JobManager

from common.items import Items

logger = logging.getLogger(__name__)


async def take_over_stalled_jobs(jobs: JobManager) -> None:
    """Put back the jobs whose worker sent no heartbeat for WORKER_LOST_AFTER seconds.

    Raises ItemsFailed, after all others are done, when a job cannot be put back.
    """
    items = Items("take_over_stalled_jobs")
    for job in await jobs.get_stalled_jobs(seconds_since_heartbeat=settings.WORKER_LOST_AFTER):
        with items.item(str(job.id)):
            try:
                await jobs.retry_job(job)
            except exceptions.UniqueViolation:
                # A periodic job whose successor is waiting: its queueing lock is taken.
                await jobs.finish_job(job, Status.ABORTED, delete_job=True)
            except exceptions.ConnectorException:
                # Another worker has taken it over, and may have finished and deleted it.
                logger.info("stalled job %s no longer exists", job.id)
    items.raise_failures()
