"""Tasks of streams."""

import logging

from common.clock import database_time
from common.items import for_each
from common.jobs import PATIENT, SLOW_QUEUE, periodic, task
from common.storage import storage
from common.storage.backups import refuse_while_running
from livestreams.models import LiveStream
from livestreams.services import expire_stream

logger = logging.getLogger(__name__)

EVERY_MINUTE = "* * * * *"


def _is_renamed(old: str, new: str) -> bool:
    return not storage().exists(old)


def _is_removed(name: str) -> bool:
    return not storage().exists(name)


@task(queue=SLOW_QUEUE, retry=PATIENT, is_done=_is_renamed)
def rename_thumbnail(old: str, new: str) -> None:
    """Rename the thumbnail of a deleted stream, so that its published address no longer works.

    Raises BackupRunning.
    """
    refuse_while_running()
    try:
        storage().move(old, new)
    except FileNotFoundError:
        logger.warning("there is neither %s nor %s; media check will report it", old, new)


@task(queue=SLOW_QUEUE, retry=PATIENT, is_done=_is_removed)
def remove_thumbnail(name: str) -> None:
    """Delete the thumbnail that a stream had before it got another one. Raises BackupRunning."""
    refuse_while_running()
    storage().delete(name)


@periodic(EVERY_MINUTE)
def expire_no_shows(timestamp: int) -> None:
    now = database_time()
    no_shows = LiveStream.objects.no_shows(now).order_by("pk").values_list("pk", flat=True)
    for_each("expire_stream", no_shows, lambda stream_id: expire_stream(stream_id, now=now))
