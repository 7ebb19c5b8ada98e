"""Retention of deleted streams."""

from collections.abc import Iterator
from datetime import datetime

from django.db import IntegrityError

from common.retention import CHUNK, Removal, Retention
from common.storage import forget_unless_backed_up
from livestreams.models import LiveStream
from livestreams.services import purge_stream


def kinds() -> Iterator[Retention]:
    yield Retention("streams", "DELETED_RETENTION_DAYS", _remove_streams)


def _remove_streams(now: datetime, removal: Removal) -> None:
    for stream_id in _ids(now):
        with removal.items.item(stream_id):
            try:
                thumbnail = "" if removal.dry_run else purge_stream(stream_id, now=now)
            except IntegrityError:  # includes Django's ProtectedError
                removal.kept_ids.append(stream_id)
                continue
            if thumbnail is None:
                continue  # restored, or removed by another process
            removal.count += 1
            removal.ids.append(stream_id)
            if thumbnail:
                removal.files_left += forget_unless_backed_up([thumbnail])


def _ids(now: datetime) -> Iterator[str]:
    due = LiveStream.all_objects.past_retention(now).order_by("pk").values_list("pk", flat=True)
    page = list(due[:CHUNK])
    while page:
        yield from page
        page = list(due.filter(pk__gt=page[-1])[:CHUNK])
