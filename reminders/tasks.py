"""What workers run: each task calls one service, through the door that the audit trail calls `task`."""

import logging
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.conf import settings
from django.utils import timezone
from procrastinate import JobContext, RetryStrategy, exceptions
from procrastinate.contrib.django import app
from procrastinate.jobs import Status

from common import stopping
from common.items import Items, for_each
from common.origin import Door, entering
from livestreams.models import LiveStream
from livestreams.services import expire_stream
from reminders import services
from reminders.services.jobs import DELIVERING, TELLING, URGENT, shared_out

logger = logging.getLogger(__name__)

# A database that restarts is back in seconds; what fails longer comes too late, and is then counted as missed.
# Gaps that grow by five seconds, in all about seven hours.
PATIENT = RetryStrategy(max_attempts=100, linear_wait=5)
FIND_EVERY = "* * * * * */2"  # seconds stand last
EVERY_MINUTE = "* * * * *"
EVERY_FIVE_MINUTES = "*/5 * * * *"
EVERY_TEN_SECONDS = "* * * * * */10"
FIRST = 2 * URGENT  # what keeps the rest going
NIGHTLY = "17 3 * * *"
KEEP_FAILED_JOBS = 24 * 7  # hours


def task(*, queue: str = TELLING, **options: Any) -> Callable[[Callable[..., None]], Any]:
    """A Procrastinate task that enters through its door, named after its job."""

    def declared(function: Callable[..., None]) -> Any:
        @app.task(queue=queue, pass_context=True, **options)
        @wraps(function)
        def entered(context: JobContext, /, **arguments: Any) -> None:
            with entering(Door.TASK, f"job-{context.job.id}"):
                function(**arguments)

        return entered

    return declared


# --- telling --------------------------------------------------------------------------------------


@app.periodic(cron=FIND_EVERY)
@task(queueing_lock="find_due_lead_times", priority=FIRST)
def find_due_lead_times(timestamp: int) -> None:
    services.open_due_rounds(timezone.now())


@task(retry=PATIENT)
def open_due_rounds_of_stream(stream_id: str) -> None:
    services.open_due_rounds_of_stream(stream_id, timezone.now())


@task(retry=PATIENT)
def cut_rounds(round_ids: list[str]) -> None:
    _each("cut_rounds", "round_ids", services.cut_round, round_ids)


@task(retry=PATIENT)
def tell_chunks(chunk_ids: list[str]) -> None:
    _each("tell_chunks", "chunk_ids", services.tell_chunk, chunk_ids)


def _each(task_name: str, argument: str, service: Callable[..., Any], ids: list[str]) -> None:
    """A transaction for each. One that fails holds up no other; the retry passes over those that are done.

    A worker that is asked to stop finishes the one in hand, and enters a job for the rest.
    """
    items = Items(task_name)
    for number, one in enumerate(ids):
        if stopping.is_asked():
            shared_out(task_name, argument, ids[number:], priority=URGENT)
            break
        with items.item(one):
            service(one, now=timezone.now())
    items.raise_failures()


@task(queue=DELIVERING, retry=PATIENT)
def deliver(delivery_id: str) -> None:
    services.deliver(delivery_id, now=timezone.now())


# --- tidying --------------------------------------------------------------------------------------


@app.periodic(cron=EVERY_MINUTE)
@task(queueing_lock="expire_no_shows")
def expire_no_shows(timestamp: int) -> None:
    now = timezone.now()
    no_shows = LiveStream.objects.no_shows(now).order_by("pk").values_list("pk", flat=True)
    for_each("expire_stream", no_shows, lambda stream_id: expire_stream(stream_id, now=now))


@app.periodic(cron=EVERY_TEN_SECONDS)
@app.task(queue=TELLING, queueing_lock="take_over_stalled_jobs", pass_context=True, priority=FIRST)
async def take_over_stalled_jobs(context: JobContext, timestamp: int) -> None:
    """The jobs of workers that were killed; a worker that lives says so every few seconds."""
    jobs = context.app.job_manager
    items = Items("take_over_stalled_jobs")
    for job in await jobs.get_stalled_jobs(seconds_since_heartbeat=settings.WORKER_LOST_AFTER):
        with items.item(str(job.id)):
            try:
                await jobs.retry_job(job)
            except exceptions.UniqueViolation:
                # A periodic job whose successor waits already.
                await jobs.finish_job(job, Status.ABORTED, delete_job=True)
            except exceptions.ConnectorException:
                # Another worker took it over, and has perhaps done it.
                logger.info("job %s is not there to be taken over", job.id)
    items.raise_failures()


@app.periodic(cron=EVERY_FIVE_MINUTES)
@task(queueing_lock="take_up_what_was_left")
def take_up_what_was_left(timestamp: int) -> None:
    services.take_up_what_was_left(timezone.now())


@app.periodic(cron=NIGHTLY)
@app.task(queue=TELLING, queueing_lock="forget_failed_jobs", pass_context=True)
async def forget_failed_jobs(context: JobContext, timestamp: int) -> None:
    await context.app.job_manager.delete_old_jobs(
        nb_hours=KEEP_FAILED_JOBS, include_failed=True, include_cancelled=True, include_aborted=True
    )
