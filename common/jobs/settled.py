"""Failed jobs whose work has been done since: they are no longer a problem.

A periodic job is settled when a later job of its task has succeeded. Other tasks declare `is_done`.
"""

import logging
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from django.db import connection
from procrastinate.contrib.django import app
from procrastinate.contrib.django.models import ProcrastinateJob
from procrastinate.jobs import Status

logger = logging.getLogger(__name__)

PAGE = 1_000  # jobs in a statement

type IsDone = Callable[..., bool]

_CHECKS: dict[str, IsDone] = {}

# Of each periodic task Procrastinate keeps the newest job that was inserted. Jobs that succeed are deleted, which sets
# `job_id` to null.
_SUCCEEDED = """
    SELECT task_name, max(defer_timestamp) FROM procrastinate_periodic_defers WHERE job_id IS NULL GROUP BY task_name
"""
_DELETE = "DELETE FROM procrastinate_jobs WHERE status = 'failed' AND id = ANY(%s)"


class Failed(NamedTuple):
    id: int
    task: str
    arguments: dict[str, Any]


def declare(task: str, is_done: IsDone) -> None:
    """`is_done` takes the arguments of a job, and returns whether nothing is left to do for it."""
    _CHECKS[task] = is_done


def failed() -> Iterator[tuple[Failed, bool]]:
    """All failed jobs, the oldest first, each with whether it is settled."""
    asked = _Asked()
    after = 0
    while page := _page(after):
        yield from ((job, asked.is_settled(job)) for job in page)
        after = page[-1].id


def is_settled(job: ProcrastinateJob) -> bool:
    """Whether this job failed, and its work has been done since."""
    return job.status == Status.FAILED.value and _Asked().is_settled(Failed(job.pk, job.task_name, job.args))


def outstanding() -> Counter[str]:
    """How many failed jobs are not settled, by the name of their task."""
    return Counter(job.task for job, is_settled in failed() if not is_settled)


def forget_settled() -> int:
    """Delete the failed jobs that are settled, as those that succeed are deleted. Returns how many."""
    settled = [job.id for job, is_settled in failed() if is_settled]
    with connection.cursor() as cursor:
        cursor.execute(_DELETE, [settled])
        return int(cursor.rowcount)


def _page(after: int) -> list[Failed]:
    jobs = ProcrastinateJob.objects.filter(status=Status.FAILED.value, pk__gt=after).order_by("pk")
    return [Failed(*row) for row in jobs.values_list("pk", "task_name", "args")[:PAGE]]


class _Asked:
    """What is known of tasks while failed jobs are walked through."""

    def __init__(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute(_SUCCEEDED)
            # By periodic task: the scheduled time of the newest job that succeeded, in Unix seconds.
            self.succeeded: dict[str, int] = dict(cursor.fetchall())
        self.unanswered: set[str] = set()  # tasks whose check failed; each further one might wait for a timeout

    def is_settled(self, job: Failed) -> bool:
        task = app.tasks.get(job.task)
        if task is None:
            return False
        timestamp = job.arguments.get("timestamp")
        if isinstance(timestamp, int) and task.name in self.succeeded:
            return self.succeeded[task.name] > timestamp
        return task.name in _CHECKS and self._is_done(task.name, job)

    def _is_done(self, task: str, job: Failed) -> bool:
        if task in self.unanswered:
            return False
        try:
            return _CHECKS[task](**job.arguments)
        except Exception:  # such as a storage that does not answer, or arguments of another version
            logger.warning("it is not known whether the work of job %s is done", job.id, exc_info=True)
            self.unanswered.add(task)
            return False
