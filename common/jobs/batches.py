"""Tasks that take a list of ids, so that any number of items needs a bounded number of jobs."""

from collections.abc import Callable, Sequence
from itertools import batched
from typing import Any

from common.items import Items
from common.jobs import stopping
from common.jobs.declaring import URGENT
from common.jobs.deferring import defer_each

# Fetching a job reads all waiting jobs, so many small jobs would slow each other down.
MOST_JOBS = 100


def defer_in_batches(task: str, argument: str, ids: Sequence[str], *, priority: int = 0) -> None:
    """Insert at most MOST_JOBS jobs of about equal size; each has a part of `ids` as its argument named `argument`."""
    size = -(-len(ids) // MOST_JOBS) or 1
    defer_each(task, [{argument: list(batch)} for batch in batched(ids, size)], priority=priority)


def run_batch(task: str, argument: str, ids: Sequence[str], service: Callable[[str], Any]) -> None:
    """Call `service` with each id; it runs in a transaction of its own and must do nothing for an id that is done.

    Raises ItemsFailed after all others are done, so that the job is retried. When the worker is asked to stop, this
    returns after the current item and defers a job for the rest.
    """
    items = Items(task.rpartition(".")[2])
    for number, item_id in enumerate(ids):
        if stopping.is_requested():
            defer_in_batches(task, argument, ids[number:], priority=URGENT)
            break
        with items.item(item_id):
            service(item_id)
    items.raise_failures()
