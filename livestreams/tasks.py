"""Tasks of streams."""

from django.core.files.storage import default_storage

from common.clock import database_time
from common.items import for_each
from common.jobs import SLOW_QUEUE, RetryStrategy, periodic, task
from livestreams.models import LiveStream
from livestreams.services import expire_stream
from livestreams.thumbnails import rename

# 100 attempts, each delay 20 seconds longer than the one before: about a day in all. If the storage is unavailable
# longer, the job fails and the doctor reports it.
PATIENT = RetryStrategy(max_attempts=100, linear_wait=20)
EVERY_MINUTE = "* * * * *"


@task(queue=SLOW_QUEUE, retry=PATIENT)
def rename_thumbnail(old: str, new: str) -> None:
    """Rename the thumbnail of a deleted stream, so that its published address no longer works."""
    rename(old, new)


@task(queue=SLOW_QUEUE, retry=PATIENT)
def remove_thumbnail(name: str) -> None:
    """Delete the thumbnail that a stream had before it got another one."""
    default_storage.delete(name)


@periodic(EVERY_MINUTE)
def expire_no_shows(timestamp: int) -> None:
    now = database_time()
    no_shows = LiveStream.objects.no_shows(now).order_by("pk").values_list("pk", flat=True)
    for_each("expire_stream", no_shows, lambda stream_id: expire_stream(stream_id, now=now))
