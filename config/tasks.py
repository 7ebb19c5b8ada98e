"""What workers do for the whole house."""

from io import StringIO

from django.core.management import call_command
from procrastinate.contrib.django import app

from reminders.services.jobs import DELIVERING

NIGHTLY = "47 2 * * *"  # UTC


@app.periodic(cron=NIGHTLY)
# It may take long, so it stands where nobody waits to be told.
@app.task(queue=DELIVERING, queueing_lock="purge")
def purge(timestamp: int) -> None:
    """The command, as an operator would call it: what it cannot remove makes the job fail, which the doctor tells."""
    call_command("purge", stdout=StringIO())
