"""Background jobs on Procrastinate: queues, task declarations, deferring, the worker and its maintenance.

A job is a row that is inserted in the transaction that causes it, so it exists exactly when that transaction commits.

Any app can own tasks: declare them in its `tasks.py` with `task` or `periodic`. Procrastinate imports the `tasks`
module of every installed app, and the entry point of what a worker's job changes is `task` in the audit trail.
"""

from common.jobs.batches import defer_in_batches, run_batch
from common.jobs.declaring import FAST_QUEUE, FIRST, PATIENT, SLOW_QUEUE, URGENT, periodic, task
from common.jobs.deferring import defer, defer_each

__all__ = [
    "FAST_QUEUE",
    "FIRST",
    "PATIENT",
    "SLOW_QUEUE",
    "URGENT",
    "defer",
    "defer_each",
    "defer_in_batches",
    "periodic",
    "run_batch",
    "task",
]
