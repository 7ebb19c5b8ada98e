"""What workers run for streams."""

from procrastinate import RetryStrategy
from procrastinate.contrib.django import app

from common.jobs import SLOW_QUEUE
from livestreams.thumbnails import rename

# A storage that was away for a day loses nothing; then the job fails for good, which the doctor tells.
PATIENT = RetryStrategy(max_attempts=100, linear_wait=20)


@app.task(queue=SLOW_QUEUE, retry=PATIENT)
def rename_thumbnail(old: str, new: str) -> None:
    """The picture of a stream that was deleted, out of the reach of those who know its address."""
    rename(old, new)
