"""A worker for tests that move the clock. It runs the stored jobs in this process, one step at a time."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.db import connection
from django.db.models import Q
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


def jobs(now: datetime) -> list[ProcrastinateJob]:
    """The jobs of the fast queue that are due at `now`, the oldest first."""
    waiting = ProcrastinateJob.objects.filter(status="todo", queue_name=FAST_QUEUE)
    return list(waiting.filter(Q(scheduled_at=None) | Q(scheduled_at__lte=now)).order_by("id"))


def run(job: ProcrastinateJob, now: datetime) -> Any:
    """Run a job and leave its row, as a worker does that is killed before it marks the job as done."""
    return RUN[job.task_name.rpartition(".")[2]](now, **job.args)


def finish(job: ProcrastinateJob) -> None:
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
