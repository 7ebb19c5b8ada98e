"""The files of thumbnails, for `media check`, and for streams that are restored."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from enum import StrEnum

from common import audit
from common.models import AuditEntry
from common.storage import StorageUnavailable, storage
from common.storage.backups import BackupRunning, refuse_while_running
from common.storage.checking import RUN_KIND
from common.storage.sources import NamedFile, Source, pages_of
from livestreams.models import LiveStream
from livestreams.thumbnails import FOLDER


def sources() -> Iterator[Source]:
    yield Source(FOLDER, _named, _names_before)


def _named() -> Iterator[NamedFile]:
    rows = LiveStream.all_objects.exclude(thumbnail="")
    for key, thumbnail, updated_at in pages_of(rows, "thumbnail", "updated_at"):
        yield NamedFile(thumbnail, "livestream", key, updated_at.timestamp())


def _names_before(missing: Sequence[NamedFile]) -> Mapping[str, Sequence[str]]:
    """Each deletion gave the file a new name, and the audit trail has both."""
    if not missing:
        return {}
    before: dict[str, dict[str, str]] = defaultdict(dict)
    deletions = AuditEntry.objects.filter(target_id__in=[each.row_id for each in missing], action="delete_stream")
    for stream_id, old, new in deletions.values_list("target_id", "before__thumbnail", "after__thumbnail"):
        if old and new:
            before[stream_id][new] = old
    return {each.name: list(_chain(each.name, before[each.row_id])) for each in missing}


def _chain(name: str, before: Mapping[str, str]) -> Iterator[str]:
    while name in before:
        name = before[name]
        yield name


# --- streams that are restored --------------------------------------------------------------------


class Picture(StrEnum):
    NONE = "none"
    PRESENT = "present"
    RENAMED = "renamed"
    MISSING = "missing"
    UNKNOWN = "unknown"  # the storage does not answer
    WAITING = "waiting"  # for the end of a backup, which may need the file under its present name


def restore_picture(stream_id: str, *, now: datetime) -> Picture:
    """Make sure that the file of a restored stream has the name that its row has, which is published again.

    A job renames it when the stream is deleted. That job may still wait, or may have failed. Call this outside a
    transaction.
    """
    name = LiveStream.all_objects.values_list("thumbnail", flat=True).get(pk=stream_id)
    if not name:
        return Picture.NONE
    try:
        return _renamed(stream_id, name, now)
    except StorageUnavailable:
        return Picture.UNKNOWN
    except BackupRunning:
        return Picture.WAITING


def _renamed(stream_id: str, name: str, now: datetime) -> Picture:
    if storage().exists(name):
        return Picture.PRESENT
    before = _names_before([NamedFile(name, "livestream", stream_id, now.timestamp())])[name]
    old = next(filter(storage().exists, before), None)
    if old is not None:
        refuse_while_running()
        audit.record_run("rename_stored_files", RUN_KIND, now=now, after={"renamed": 1, "files": [name]})
        with suppress(FileNotFoundError):  # the job has renamed it meanwhile
            storage().move(old, name)
        return Picture.RENAMED
    return Picture.PRESENT if storage().exists(name) else Picture.MISSING
