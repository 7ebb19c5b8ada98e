"""Work for later: jobs, which are rows, inserted in the transaction that causes them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from procrastinate.contrib.django import app

# Telling must not wait behind receivers that hang, so deliveries have workers of their own.
TELLING = "telling"
DELIVERING = "delivering"


def later(task: str, *, queue: str = TELLING, at: datetime | None = None, **arguments: Any) -> None:
    """Let a worker run `reminders.tasks.<task>`, at once when this transaction commits or not before `at`."""
    _deferrer(task, queue, at).defer(**arguments)


def each_later(task: str, arguments: Sequence[dict[str, Any]], *, queue: str = TELLING) -> None:
    """The same for many, in one statement."""
    if arguments:
        _deferrer(task, queue).batch_defer(*arguments)


def _deferrer(task: str, queue: str, at: datetime | None = None) -> Any:
    return app.configure_task(f"reminders.tasks.{task}", queue=queue, schedule_at=at)
