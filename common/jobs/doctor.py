"""Jobs that failed, wait or do not end, for the `doctor` command; named by `settings.DOCTOR_CHECKS`."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from django.db import connection

from common.clock import database_time
from common.doctor import Finding, error, some, warning
from common.jobs import settled
from common.jobs.stored import State, Wanted, jobs

LONGEST_WAIT = timedelta(minutes=10)
LONGEST_RUN = timedelta(days=1)

# A scheduled job is due at `scheduled_at`, another one since its last event.
_WAITING = """
    SELECT DISTINCT queue_name FROM procrastinate_jobs AS job
    WHERE status = 'todo' AND coalesce(
        scheduled_at, (SELECT max(at) FROM procrastinate_events WHERE job_id = job.id)
    ) < %(now)s - %(longest)s::interval
    ORDER BY 1
"""


def examine() -> Iterator[Finding]:
    """For `settings.DOCTOR_CHECKS`."""
    now = database_time()
    yield from _failed()
    yield from _waiting(now)
    yield from _stuck(now)


def _failed() -> Iterator[Finding]:
    names = ", ".join(f"{name.rpartition('.')[2]} {count}" for name, count in sorted(settled.outstanding().items()))
    if names:
        yield warning(
            "jobs_failed",
            f"Jobs failed, and their work has not been done since: {names}.",
            "Correct the cause; the workers' log has the errors. Then run: python manage.py queue retry --state failed"
            " --reason WHY",
        )


def _waiting(now: datetime) -> Iterator[Finding]:
    with connection.cursor() as cursor:
        cursor.execute(_WAITING, {"now": now, "longest": str(LONGEST_WAIT)})
        queues = [queue for (queue,) in cursor.fetchall()]
    if queues:
        yield error(
            "jobs_waiting",
            f"Jobs are due for more than {LONGEST_WAIT // timedelta(minutes=1)} minutes, and no worker has begun them."
            f" Queues: {', '.join(queues)}.",
            "Start a worker, or more of them: python manage.py worker. To see the jobs: python manage.py queue list"
            " --state due",
        )


def _stuck(now: datetime) -> Iterator[Finding]:
    """Jobs of lost workers that no other worker has taken over, and jobs that run for too long."""
    lost = jobs(Wanted(states=(State.STALLED,), older_than=LONGEST_WAIT), now=now)
    endless = jobs(Wanted(states=(State.RUNNING,), older_than=LONGEST_RUN), now=now)
    if names := [f"{name} (job {pk})" for pk, name in lost.union(endless).values_list("pk", "task_name")]:
        yield error(
            "jobs_stuck",
            f"Jobs were begun and do not end, because their worker is gone or hangs: {some(names)}.",
            "Restart the workers: a worker takes over the jobs of those that are gone. Or run: python manage.py queue"
            " retry --state stalled --reason WHY",
        )
