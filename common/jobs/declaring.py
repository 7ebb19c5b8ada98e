"""How an app declares its tasks, the queues they run on and the priorities of their jobs."""

from collections.abc import Callable
from typing import Any

from procrastinate.contrib.django import app

# A worker runs each queue with threads of its own, so slow jobs never keep the threads of the fast ones. Both names are
# stored with each job: a new name would leave the jobs that are stored under the old one without a worker.
FAST_QUEUE = "telling"
SLOW_QUEUE = "delivering"  # for jobs that may wait long for something outside, such as a receiver or a storage

# Jobs with a higher priority run first; the default is 0.
URGENT = 10  # people wait for it in front of their screens
FIRST = 2 * URGENT  # the other jobs depend on it


def task(*, queue: str = FAST_QUEUE, **options: Any) -> Callable[[Callable[..., Any]], Any]:
    """Declare a task. `options` are those of Procrastinate's decorator. The result can be called like the function."""
    return app.task(queue=queue, **options)


def periodic(cron: str, *, queue: str = FAST_QUEUE, **options: Any) -> Callable[[Callable[..., Any]], Any]:
    """Declare a task that is deferred by the clock, in UTC; `cron` may have a sixth field for seconds.

    The function takes `timestamp`, the Unix time it was deferred for. While one job of it waits no other is inserted:
    its queueing lock is the name of the function, which must be unique among periodic tasks.
    """

    def declared(function: Callable[..., Any]) -> Any:
        deferred_by_the_clock: Any = app.periodic(cron=cron)
        return deferred_by_the_clock(task(queue=queue, queueing_lock=function.__name__, **options)(function))

    return declared
