"""A worker for tests that move the clock. It runs the stored jobs in this process, one step at a time."""

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any, NamedTuple

from django.db import connection
from procrastinate.contrib.django.models import ProcrastinateJob

from common.jobs import FAST_QUEUE
from reminders import services

RUN: dict[str, Callable[..., Any]] = {
    "open_due_rounds_of_stream": lambda now, stream_id: services.open_due_rounds_of_stream(stream_id, now),
    "cut_rounds": lambda now, round_ids: [
        chunk_id for round_id in round_ids for chunk_id in services.cut_round(round_id, now=now)
    ],
    "notify_chunks": lambda now, chunk_ids: [
        delivery_id for chunk_id in chunk_ids for delivery_id in services.notify_chunk(chunk_id, now=now)
    ],
}


# Not a queryset: random histories ask a hundred thousand times, and compiling it takes longer than the statement.
_DUE = """
    SELECT id, task_name, args FROM procrastinate_jobs
    WHERE status = 'todo' AND queue_name = %s AND (scheduled_at IS NULL OR scheduled_at <= %s)
    ORDER BY id
"""


class Job(NamedTuple):
    id: int
    task_name: str
    args: dict[str, Any]


def jobs(now: datetime) -> list[Job]:
    """The jobs of the fast queue that are due at `now`, the oldest first."""
    with connection.cursor() as cursor:
        cursor.execute(_DUE, [FAST_QUEUE, now])
        return [
            Job(number, name, args if isinstance(args, dict) else json.loads(args)) for number, name, args in cursor
        ]


def run(job: Job | ProcrastinateJob, now: datetime) -> Any:
    """Run a job and leave its row, as a worker does that is killed before it marks the job as done."""
    return RUN[job.task_name.rpartition(".")[2]](now, **job.args)


def finish(job: Job | ProcrastinateJob) -> None:
    # Procrastinate's model is read-only.
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM procrastinate_jobs WHERE id = %s", [job.id])


def find(now: datetime) -> None:
    services.open_due_rounds(now)


def cut(now: datetime) -> None:
    """Cut the rounds of all stored jobs, and leave the jobs of their chunks."""
    for job in jobs(now):
        if job.task_name.endswith("cut_rounds"):
            run(job, now)
            finish(job)


def work_off(now: datetime) -> None:
    """Run every stored job, and the jobs that they defer."""
    while waiting := jobs(now):
        for job in waiting:
            run(job, now)
            finish(job)


def work(now: datetime) -> None:
    find(now)
    work_off(now)
