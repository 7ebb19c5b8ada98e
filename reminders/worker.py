"""The worker: Procrastinate's, once for telling and once for delivering, until it is asked to stop."""

import asyncio
import logging
import signal
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import psycopg
from django.conf import settings
from django.db import DatabaseError
from procrastinate import PsycopgConnector, exceptions
from procrastinate.connector import BaseConnector
from procrastinate.contrib.django import app
from procrastinate.contrib.django.django_connector import DjangoConnector
from procrastinate.contrib.django.utils import connector_params
from procrastinate.jobs import DeleteJobCondition

from common import stopping

logger = logging.getLogger(__name__)

SECONDS_UNTIL_NEW_TRY = 2
OPTIONS: dict[str, Any] = {
    # Jobs wake workers at once; this is for the notice that came while a worker was looking.
    "fetch_job_polling_interval": 1.0,
    "update_heartbeat_interval": settings.WORKER_HEARTBEAT,
    "stalled_worker_timeout": settings.WORKER_LOST_AFTER,
    "delete_jobs": DeleteJobCondition.SUCCESSFUL,
    "install_signal_handlers": False,
}


class _WorkerConnector(PsycopgConnector):
    """Fetches jobs on connections of its own; what a job enters for later goes into the transaction of that job."""

    def get_sync_connector(self) -> BaseConnector:
        return DjangoConnector()


class _Stopped(Exception):
    """A worker stopped though nobody asked it to: one of its connections is gone."""


async def _work(jobs_at_once: Mapping[str, int], *, until_idle: bool) -> None:
    asked = asyncio.Event()
    stopping.forget()
    workers: list[asyncio.Task[None]] = []

    def stop() -> None:
        asked.set()
        stopping.ask()  # for the threads of the jobs in hand
        for worker in workers:
            worker.cancel()

    async def work_off(queue: str, count: int) -> None:
        await app.run_worker_async(queues=[queue], name=queue, concurrency=count, wait=not until_idle, **OPTIONS)
        if not until_idle:
            raise _Stopped

    loop = asyncio.get_running_loop()
    # A thread for each job that may be in hand: else deliveries that hang keep telling waiting for one.
    loop.set_default_executor(ThreadPoolExecutor(sum(jobs_at_once.values())))
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    while not asked.is_set():
        try:
            async with app.open_async(), asyncio.TaskGroup() as group:
                workers[:] = [group.create_task(work_off(queue, count)) for queue, count in jobs_at_once.items()]
                if asked.is_set():  # asked while the connections were opened
                    stop()
        except* (_Stopped, exceptions.ConnectorException, psycopg.Error, DatabaseError) as lost:
            logger.warning("the database does not answer; trying again", exc_info=lost)
        else:
            return
        with suppress(TimeoutError):
            await asyncio.wait_for(asked.wait(), SECONDS_UNTIL_NEW_TRY)


def run(jobs_at_once: Mapping[str, int], *, until_idle: bool = False) -> None:
    """Run the jobs of each queue, so many at once, until SIGTERM or SIGINT; then finish those in hand.

    `until_idle` returns when nothing is left to do now. A database that is lost is waited for.
    """
    with app.replace_connector(_WorkerConnector(kwargs=connector_params())):
        asyncio.run(_work(jobs_at_once, until_idle=until_idle))
