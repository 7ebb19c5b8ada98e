"""Work for later: jobs, which are rows, inserted in the transaction that causes them."""

from collections.abc import Sequence
from datetime import datetime
from itertools import batched
from typing import Any

from procrastinate.contrib.django import app

from common.jobs import SLOW_QUEUE

# Telling must not wait behind receivers that hang, so deliveries have workers of their own.
TELLING = "telling"
DELIVERING = SLOW_QUEUE
# What people wait for in front of their screens goes before what was asked for long ago, however much that is.
URGENT = 10
# Each look for the next job reads all that wait, so what is entered at once is few jobs, however much it is.
MOST_JOBS = 100


def later(task: str, *, queue: str = TELLING, at: datetime | None = None, **arguments: Any) -> None:
    """Let a worker run `reminders.tasks.<task>`, at once when this transaction commits or not before `at`."""
    _deferrer(task, queue, at=at).defer(**arguments)


def each_later(task: str, arguments: Sequence[dict[str, Any]], *, queue: str = TELLING, priority: int = 0) -> None:
    """The same for many, in one statement; those of a higher `priority` go first."""
    if arguments:
        _deferrer(task, queue, priority=priority).batch_defer(*arguments)


def shared_out(task: str, name: str, ids: Sequence[str], *, priority: int = 0) -> None:
    """The same for a task that takes many ids as its argument `name`: at most MOST_JOBS jobs of about as many each."""
    share = -(-len(ids) // MOST_JOBS) or 1
    each_later(task, [{name: list(some)} for some in batched(ids, share)], priority=priority)


def _deferrer(task: str, queue: str, *, at: datetime | None = None, priority: int = 0) -> Any:
    return app.configure_task(f"reminders.tasks.{task}", queue=queue, schedule_at=at, priority=priority)
