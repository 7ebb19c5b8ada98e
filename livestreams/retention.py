"""Retention of deleted streams."""

from collections.abc import Iterator
from datetime import datetime

from django.db import IntegrityError
from django.db.models import Min

from common.pages import in_pages
from common.retention import CHUNK, Kept, Removal, Retention
from common.storage import forget_unless_backed_up
from livestreams.models import Hold, LiveStream
from livestreams.services import purge_records, purge_stream


def kinds() -> Iterator[Retention | Kept]:
    yield Retention("streams", "DELETED_RETENTION_DAYS", (LiveStream._meta.db_table,), _remove_streams)
    yield Kept(Hold._meta.db_table, "until the stream is released: streams release")


def _remove_streams(now: datetime, removal: Removal) -> None:
    """With all their records, in transactions of some thousand rows. Streams that are not deleted are kept."""
    if removal.dry_run:
        removal.ids += _ids(now)
        oldest = LiveStream.all_objects.past_retention(now).aggregate(oldest=Min("deleted_at"))["oldest"]
        removal.foresee(len(removal.ids), oldest)
        return
    for stream_id in _ids(now):
        with removal.items.item(stream_id):
            try:
                purge_records(stream_id, now=now)
                thumbnail = purge_stream(stream_id, now=now)
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
    due = LiveStream.all_objects.past_retention(now).values_list("pk", flat=True)
    return in_pages(due, size=CHUNK, key=str)
