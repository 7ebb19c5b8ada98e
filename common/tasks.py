"""Tasks that maintain the job queue and the counters of rate limits, and remove stored files."""

from procrastinate import JobContext

from common.jobs import FIRST, PATIENT, SLOW_QUEUE, maintenance, periodic, settled, task
from common.rate_limits import counters
from common.replica import last_writes
from common.storage import storage
from common.storage.backups import refuse_while_running

EVERY_TEN_SECONDS = "* * * * * */10"  # the seconds are the last field
EVERY_FIVE_MINUTES = "*/5 * * * *"


@periodic(EVERY_TEN_SECONDS, priority=FIRST, pass_context=True)
async def take_over_stalled_jobs(context: JobContext, timestamp: int) -> None:
    await maintenance.take_over_stalled_jobs(context.app.job_manager)


@periodic(EVERY_FIVE_MINUTES)
def forget_rate_counters(timestamp: int) -> None:
    """Delete the counters whose window is over."""
    counters.delete_expired()


@periodic(EVERY_FIVE_MINUTES)
def forget_last_writes(timestamp: int) -> None:
    """Delete the positions that every replica in use has replayed."""
    last_writes.delete_expired()


# In the slow queue, because it may ask the storage about many files.
@periodic(EVERY_FIVE_MINUTES, queue=SLOW_QUEUE)
def forget_settled_jobs(timestamp: int) -> None:
    """Delete the failed jobs whose work has been done since, so that nothing alarms any more."""
    settled.forget_settled()


def _are_removed(names: list[str]) -> bool:
    return not any(map(storage().exists, names))


@task(queue=SLOW_QUEUE, retry=PATIENT, is_done=_are_removed)
def remove_files(names: list[str]) -> None:
    """Remove stored files that no row names any more. Raises BackupRunning."""
    refuse_while_running()
    for name in names:
        storage().delete(name)
