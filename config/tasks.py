"""What workers do for the whole house."""

from io import StringIO

from django.core.management import call_command
from django.utils import timezone
from procrastinate import RetryStrategy
from procrastinate.contrib.django import app

from accounts.services import forget_refreshed_pairs
from common.seals import log_seal, seal_rows
from reminders.services.jobs import DELIVERING

NIGHTLY = "47 2 * * *"  # UTC
HOURLY = "0 * * * *"
EVERY_MINUTE = "* * * * *"
# A transaction that held the seals up has ended by then; else the next hour's job makes them.
AGAIN_SOON = RetryStrategy(max_attempts=5, wait=60)


@app.periodic(cron=NIGHTLY)
# It may take long, so it stands where nobody waits to be told.
@app.task(queue=DELIVERING, queueing_lock="purge")
def purge(timestamp: int) -> None:
    """The command, as an operator would call it: what it cannot remove makes the job fail, which the doctor tells."""
    call_command("purge", stdout=StringIO())


@app.periodic(cron=HOURLY)
@app.task(queue=DELIVERING, queueing_lock="seal_audit_trail", retry=AGAIN_SOON)
def seal_audit_trail(timestamp: int) -> None:
    """Also the hours that were missed while no worker ran."""
    seal_rows(now=timezone.now(), tell=log_seal)


@app.periodic(cron=EVERY_MINUTE)
@app.task(queue=DELIVERING, queueing_lock="forget_tokens")
def forget_tokens(timestamp: int) -> None:
    """Pairs of tokens are stored, encrypted, only as long as a retry of their refresh may ask for them."""
    forget_refreshed_pairs(now=timezone.now())
