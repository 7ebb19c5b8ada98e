"""How an app declares its tasks, the queues they run on and the priorities of their jobs."""

from collections.abc import Callable
from typing import Any

from procrastinate.contrib.django import app

from common.jobs import settled
from common.jobs.retrying import RetryStrategy

# A worker runs each queue in threads of its own, so that slow jobs do not starve the fast ones. The names of queues are
# stored with each job: after a new name, no worker would run the jobs that are stored with the old one.
FAST_QUEUE = "notifying"
SLOW_QUEUE = "delivering"  # for jobs that may wait long for something outside, such as a receiver or a storage

# Jobs with a higher priority run first; the default is 0.
URGENT = 10  # users wait for the result
FIRST = 2 * URGENT  # the other jobs depend on it

# 100 attempts, each delay 20 seconds longer than the one before: about a day in all. If what a job waits for is
# unavailable longer, the job fails and the doctor reports it.
PATIENT = RetryStrategy(max_attempts=100, linear_wait=20)


def task(
    *, queue: str = FAST_QUEUE, is_done: settled.IsDone | None = None, **options: Any
) -> Callable[[Callable[..., Any]], Any]:
    """Declare a task. `options` are those of Procrastinate's decorator. The result can be called like the function.

    `is_done` takes the arguments of a job that failed, and returns whether its work has been done since.
    """

    def declared(function: Callable[..., Any]) -> Any:
        decorate: Any = app.task(queue=queue, **options)
        result = decorate(function)
        if is_done is not None:
            settled.declare(result.name, is_done)
        return result

    return declared


def periodic(cron: str, *, queue: str = FAST_QUEUE, **options: Any) -> Callable[[Callable[..., Any]], Any]:
    """Declare a task that is deferred at fixed times, in UTC; `cron` may have a sixth field for seconds.

    The function takes `timestamp`, the Unix time it was deferred for. While one job of it waits no other is inserted:
    its queueing lock is the name of the function, which must be unique among periodic tasks.
    """

    def declared(function: Callable[..., Any]) -> Any:
        deferred_periodically: Any = app.periodic(cron=cron)
        return deferred_periodically(task(queue=queue, queueing_lock=function.__name__, **options)(function))

    return declared
