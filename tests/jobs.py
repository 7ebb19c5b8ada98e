"""Stored jobs for tests: rows as Procrastinate has them."""

import json
from datetime import timedelta
from typing import Any

from django.db import connection
from procrastinate.contrib.django.models import ProcrastinateJob

from common.jobs import FAST_QUEUE
from tests.flush import JOBS

_INSERT = """
    INSERT INTO procrastinate_jobs (queue_name, task_name, args, worker_id, queueing_lock, scheduled_at)
    VALUES (%s, %s, %s, %s, %s, now() + %s) RETURNING id
"""
# Each change of the state stores an event.
_MOVE = "UPDATE procrastinate_jobs SET status = %s WHERE id = %s"
_PATHS = {"todo": (), "cancelled": ("cancelled",), "doing": ("doing",)}
_WORKER = "INSERT INTO procrastinate_workers (last_heartbeat) VALUES (now() - %s) RETURNING id"
_OLDER = "UPDATE procrastinate_events SET at = at - %s WHERE job_id = %s"


def _params(*values: Any) -> list[Any]:
    """The types of the cursor know no timedelta, which psycopg sends as an interval."""
    return list(values)


def store_job(
    status: str = "failed",
    task: str = "common.tasks.remove_files",
    *,
    queue: str = FAST_QUEUE,
    worker: int | None = None,
    queueing_lock: str | None = None,
    in_: timedelta | None = None,
    age: timedelta = timedelta(0),
    **arguments: Any,
) -> int:
    """The id of a job that has its state since `age`, and may be scheduled."""
    with connection.cursor() as cursor:
        cursor.execute(_INSERT, _params(queue, task, json.dumps(arguments), worker, queueing_lock, in_))
        (job_id,) = cursor.fetchone()
        for step in _PATHS.get(status, ("doing", status)):
            cursor.execute(_MOVE, [step, job_id])
        cursor.execute(_OLDER, _params(age, job_id))
    return int(job_id)


def forget_jobs() -> None:
    """Remove all jobs in the middle of a test. At its end they are removed with all other rows."""
    with connection.cursor() as cursor:
        cursor.execute(f"TRUNCATE {', '.join(JOBS)}")


def store_worker(*, silent_for: timedelta = timedelta(0)) -> int:
    with connection.cursor() as cursor:
        cursor.execute(_WORKER, _params(silent_for))
        return int(cursor.fetchone()[0])


def state_of(job_id: int) -> tuple[str, int]:
    """Its status and its attempts."""
    return ProcrastinateJob.objects.values_list("status", "attempts").get(pk=job_id)
