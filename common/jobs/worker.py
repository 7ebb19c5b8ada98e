"""The worker: runs one Procrastinate worker for each queue in this process until it is asked to stop."""

import asyncio
import logging
import os
import signal
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import psycopg
from django.conf import settings
from django.db import DatabaseError, close_old_connections
from procrastinate import JobContext, PsycopgConnector, exceptions
from procrastinate.connector import BaseConnector
from procrastinate.contrib.django import app
from procrastinate.contrib.django.django_connector import DjangoConnector
from procrastinate.contrib.django.utils import connector_params
from procrastinate.jobs import DeleteJobCondition
from procrastinate.worker import Worker
from psycopg_pool import AsyncConnectionPool

from common import tracing
from common.entry_points import EntryPoint, called_through
from common.jobs import stopping
from common.jobs.metrics import measured
from common.logging import log_uncaught
from common.metrics.processes import show_metrics_of_worker
from common.secret_keys import running
from common.storage import presence
from common.times import wire_time

logger = logging.getLogger(__name__)

# Together they bound how long a worker needs to notice that the database is back.
SECONDS_UNTIL_NEW_TRY = 1
SECONDS_TO_OPEN = 3


def _run_task(call_next: Callable[[], Any], context: JobContext, _worker: Worker) -> Any:
    """Task middleware: audit rows of the job have the entry point `task` and the job as their request id.

    Runs in the thread of the job, which keeps its connection for the next one. One that the database has closed is
    replaced, as before each request: otherwise every job of this thread that begins without a transaction would fail.
    """
    close_old_connections()
    with called_through(EntryPoint.TASK, f"job-{context.job.id}"):
        return call_next()


async def _run_attempt(call_next: Callable[[], Awaitable[Any]], context: JobContext, _worker: Worker) -> Any:
    """Worker middleware: trace the attempt, and log it if it fails. Procrastinate logs the last one, with arguments."""
    try:
        with tracing.job(context.job):
            return await call_next()
    except exceptions.JobAborted:
        raise
    except Exception as error:
        job = context.job
        again = context.task.get_retry_exception(exception=error, job=job)
        facts = {"job_id": job.id, "task": job.task_name, "queue": job.queue, "attempt": job.attempts + 1}
        if again is not None and again.retry_decision.retry_at is not None:
            facts["retry_at"] = wire_time(again.retry_decision.retry_at)
        with called_through(EntryPoint.TASK, f"job-{job.id}"):
            if again is None:
                logger.exception("a job failed", extra=facts)
            else:
                logger.warning("a job failed and is tried again", exc_info=error, extra=facts)
        raise


OPTIONS: dict[str, Any] = {
    # NOTIFY wakes workers at once. Polling is for a notification that arrives while a worker is fetching.
    "fetch_job_polling_interval": 1.0,
    "update_heartbeat_interval": settings.WORKER_HEARTBEAT,
    "stalled_worker_timeout": settings.WORKER_LOST_AFTER,
    "delete_jobs": DeleteJobCondition.SUCCESSFUL,
    "install_signal_handlers": False,
    "task_middleware": [_run_task],
    "worker_middleware": [measured, _run_attempt],
}


class _ConnectionPool(AsyncConnectionPool[Any]):
    """Fails soon if the database is away, instead of trying at ever longer intervals for half a minute."""

    async def open(self, wait: bool = False, timeout: float = SECONDS_TO_OPEN) -> None:
        await super().open(wait, timeout)


class _WorkerConnector(PsycopgConnector):
    """Fetches jobs on connections of its own; the jobs that a task defers are inserted in the task's transaction."""

    def get_sync_connector(self) -> BaseConnector:
        return DjangoConnector()


class _Stopped(Exception):
    """A Procrastinate worker returned without being asked to stop: it has lost one of its connections."""


async def _work(jobs_at_once: Mapping[str, int], *, until_idle: bool) -> None:
    asked = asyncio.Event()
    stopping.reset()
    workers: list[asyncio.Task[None]] = []

    def stop() -> None:
        _note_request(asked)
        stopping.request()  # read by the threads of the running jobs
        for worker in workers:
            worker.cancel()

    async def work_off(queue: str, count: int) -> None:
        await app.run_worker_async(queues=[queue], name=queue, concurrency=count, wait=not until_idle, **OPTIONS)
        if not until_idle:
            raise _Stopped

    loop = asyncio.get_running_loop()
    # One thread for each job that may run at once. In a smaller pool, slow jobs would starve the fast queue of threads.
    loop.set_default_executor(ThreadPoolExecutor(sum(jobs_at_once.values())))
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    while not asked.is_set():
        try:
            async with app.open_async(), asyncio.TaskGroup() as group:
                workers[:] = [group.create_task(work_off(queue, count)) for queue, count in jobs_at_once.items()]
                if asked.is_set():  # asked while the connections were being opened
                    stop()
        except* (_Stopped, exceptions.ConnectorException, psycopg.Error, DatabaseError) as lost:
            logger.warning("the database does not answer; trying again", exc_info=lost)
        else:
            return
        with suppress(TimeoutError):
            await asyncio.wait_for(asked.wait(), SECONDS_UNTIL_NEW_TRY)


def _note_request(asked: asyncio.Event) -> None:
    if not asked.is_set():
        logger.info("the worker stops when its jobs have ended", extra={"pid": os.getpid()})
    asked.set()


def run(jobs_at_once: Mapping[str, int], *, until_idle: bool = False) -> None:
    """Run the jobs of each queue, at most so many at once, until SIGTERM or SIGINT; then finish the running ones.

    `until_idle` returns when no job is left to run now. While the database is unavailable this retries.
    """
    log_uncaught()
    tracing.start("worker")
    show_metrics_of_worker()
    presence.keep_noting()
    running.keep_noting("worker")
    facts = {"pid": os.getpid(), "queues": dict(jobs_at_once)}
    logger.info("the worker has started", extra=facts)
    connector = _WorkerConnector(pool_factory=_ConnectionPool, min_size=1, max_size=4, kwargs=connector_params())
    with app.replace_connector(connector):
        asyncio.run(_work(jobs_at_once, until_idle=until_idle))
    tracing.stop()
    logger.info("the worker has stopped", extra=facts)
