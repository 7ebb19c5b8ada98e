"""Tasks that concern several apps."""

from io import StringIO

from django.core.management import call_command
from django.utils import timezone
from procrastinate import RetryStrategy

from common.jobs import SLOW_QUEUE, periodic
from common.seals import log_seal, seal_rows

NIGHTLY = "47 2 * * *"
HOURLY = "0 * * * *"
# Long enough for the transaction that blocked the seals to end; else the job of the next hour makes them.
AGAIN_SOON = RetryStrategy(max_attempts=5, wait=60)


# It may take long, so it must not use a thread of the fast queue.
@periodic(NIGHTLY, queue=SLOW_QUEUE)
def purge(timestamp: int) -> None:
    """Run the command as an operator would. The job fails when a row cannot be removed, which the doctor reports."""
    call_command("purge", stdout=StringIO())


@periodic(HOURLY, queue=SLOW_QUEUE, retry=AGAIN_SOON)
def seal_audit_trail(timestamp: int) -> None:
    """Also seals the hours that were missed while no worker ran."""
    seal_rows(now=timezone.now(), report=log_seal)
