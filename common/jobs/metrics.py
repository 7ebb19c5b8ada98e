"""Metrics of jobs: those that this worker runs, and those that are stored."""

from collections.abc import Awaitable, Callable, Iterator
from datetime import datetime
from time import perf_counter
from typing import Any

from django.conf import settings
from django.db import connection
from procrastinate import JobContext
from procrastinate.worker import Worker

from common.metrics import Counter, Gauge, Histogram
from common.metrics.readings import Reading

# Rows that are read at most, of each state.
MOST_COUNTED = 10_000

RUNS = Counter("job_runs_total", "Runs of jobs; one that failed may be tried again", ["task", "outcome"])
SECONDS = Histogram(
    "job_seconds", "How long a run took", ["task"], buckets=(0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0)
)
RUNNING = Gauge("jobs_in_hand", "Jobs that this worker runs now", ["queue"])

# Jobs that succeed are deleted, so the oldest ones are those that failed, and those that wait for long. Of what waits,
# those that are due come first in the index of the queue.
_STORED = f"""
    SELECT state, queue_name, count(*) FROM (
        (SELECT CASE WHEN scheduled_at > %(now)s THEN 'scheduled' ELSE 'due' END AS state, queue_name
            FROM procrastinate_jobs WHERE status = 'todo' ORDER BY priority DESC, id LIMIT {MOST_COUNTED:d})
        UNION ALL
        (SELECT 'running', queue_name
            FROM procrastinate_jobs WHERE status = 'doing' AND worker_id IS NOT NULL LIMIT {MOST_COUNTED:d})
        UNION ALL
        (SELECT 'failed', queue_name FROM (
            SELECT queue_name, status FROM procrastinate_jobs ORDER BY id LIMIT {MOST_COUNTED:d}
        ) AS oldest WHERE status = 'failed')
    ) AS counted GROUP BY state, queue_name
"""  # noqa: S608 - the limit is ours
# Infinity if no worker ever ran.
_HEARTBEAT = """
    SELECT coalesce(extract(epoch FROM %(now)s - max(last_heartbeat))::float, 'Infinity') FROM procrastinate_workers
"""
STATES = ("due", "scheduled", "running", "failed")


async def measured(call_next: Callable[[], Awaitable[Any]], context: JobContext, _worker: Worker) -> Any:
    """Worker middleware: counts the run of a job, and how long it took."""
    task, queue = context.job.task_name, context.job.queue
    began = perf_counter()
    RUNNING.add(1, queue)
    outcome = "failed"
    try:
        result = await call_next()
        outcome = "succeeded"
        return result
    finally:
        RUNNING.add(-1, queue)
        RUNS.inc(task, outcome)
        SECONDS.observe(perf_counter() - began, task)


def read(now: datetime) -> Iterator[Reading]:
    """For `settings.METRICS_READINGS`."""
    with connection.cursor() as cursor:
        cursor.execute(_STORED, {"now": now})
        counts = {(state, queue): count for state, queue, count in cursor.fetchall()}
        cursor.execute(_HEARTBEAT, {"now": now})
        (heartbeat,) = cursor.fetchone()
    about = f"Jobs that are stored, at most {MOST_COUNTED:,} of each state"
    for queue in sorted({queue for _, queue in counts} | set(settings.WORKER_QUEUES)):
        for state in STATES:
            yield Reading("jobs", about, counts.get((state, queue), 0), {"queue": queue, "state": state})
    yield Reading("worker_heartbeat_age_seconds", "Since the last heartbeat of any worker", max(0.0, heartbeat))
