"""Defer jobs: insert them in the current transaction, to run after it has committed.

Tasks are named by their dotted path, because services cannot import the tasks that call them. The queue is the one that
the task declares.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from procrastinate.contrib.django import app

from common import tracing


def defer(task: str, *, at: datetime | None = None, **arguments: Any) -> None:
    """Insert one job, to run as soon as possible or not before `at`. Raises TaskNotFound."""
    app.configure_task(task, allow_unknown=False, schedule_at=at).defer(**arguments, **tracing.cause())


def defer_each(task: str, arguments: Sequence[dict[str, Any]], *, priority: int = 0) -> None:
    """Insert one job for each of `arguments`, in one statement. Raises TaskNotFound."""
    if arguments:
        cause = tracing.cause()
        jobs = [each | cause for each in arguments]
        app.configure_task(task, allow_unknown=False, priority=priority).batch_defer(*jobs)
