"""Tasks that concern several apps."""

from io import StringIO

from django.core.management import call_command

from common import partitions
from common.clock import database_time
from common.jobs import SLOW_QUEUE, RetryStrategy, periodic
from common.seals import log_seal, seal_rows

NIGHTLY = "47 2 * * *"
HOURLY = "0 * * * *"
# Five minutes, for a transaction that blocks sealing to end. After that the job of the next hour seals the rows.
AGAIN_SOON = RetryStrategy(max_attempts=5, wait=60)


# In the slow queue, because it may take long.
@periodic(NIGHTLY, queue=SLOW_QUEUE)
def purge(timestamp: int) -> None:
    """Add the partitions of the next months, then run the command `purge`.

    If a row cannot be removed, the job fails and the doctor reports it.
    """
    partitions.add_months()
    call_command("purge", stdout=StringIO())


@periodic(HOURLY, queue=SLOW_QUEUE, retry=AGAIN_SOON)
def seal_audit_trail(timestamp: int) -> None:
    """Also seals the hours that were missed while no worker ran. The first run of a month begins that month."""
    partitions.begin_month_of_audit_trail()
    seal_rows(now=database_time(), report=log_seal)
