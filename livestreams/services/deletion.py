"""Deleting a stream, restoring it, and removing it for good."""

from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import transaction

from accounts.models import User
from common import audit
from common.retention import remove_dependents
from livestreams.models import Action, LiveStream, Status
from livestreams.services.changes import allow_living, change_stream, locked_stream
from livestreams.services.refusals import DeletedByOthers, NotTheCreator, StreamMissing, StreamNotDeleted
from livestreams.services.stream_lock import take_stream_lock
from livestreams.thumbnails import renamed_later


def allow_delete(stream: LiveStream, *, by: User | None, now: datetime) -> Status:
    return allow_living(stream, Action.DELETE)


@transaction.atomic
def delete_stream(stream_id: str, *, by: User | None, now: datetime, reason: str = "") -> LiveStream:
    """Soft-delete the stream; the command `purge` removes it after the retention time.

    Its thumbnail is renamed, and the new address is not published until the stream is restored.
    """
    stream = locked_stream(stream_id)
    allow_delete(stream, by=by, now=now)
    values: dict[str, Any] = {"deleted_at": now, "deleted_by_id": by and by.pk}
    if stream.thumbnail:
        values["thumbnail"] = renamed_later(stream.thumbnail, stream_id=stream.pk)
    return change_stream(stream, "delete_stream", by=by, now=now, reason=reason, **values)


def allow_restore(stream: LiveStream, *, by: User | None, now: datetime) -> None:
    if not stream.is_deleted:
        raise StreamNotDeleted


@transaction.atomic
def restore_stream(stream_id: str, *, by: User | None, now: datetime, reason: str = "") -> LiveStream:
    stream = locked_stream(stream_id, deleted=True)
    allow_restore(stream, by=by, now=now)
    return _restored(stream, by=by, now=now, reason=reason)


def _restored(stream: LiveStream, *, by: User | None, now: datetime, reason: str = "") -> LiveStream:
    return change_stream(stream, "restore_stream", by=by, now=now, reason=reason, deleted_at=None, deleted_by_id=None)


def purge_at(deleted_at: datetime) -> datetime:
    """From when on `purge` removes a stream that was deleted at this time."""
    return deleted_at + settings.DELETED_RETENTION


@transaction.atomic
def restore_own_stream(stream_id: str, *, by: User, now: datetime) -> LiveStream:
    """Restore a stream for its creator, who deleted it.

    For everybody else a deleted stream does not exist, and for its creator neither once `purge_at` has come. Raises
    StreamMissing, NotTheCreator (of a stream that is not deleted), StreamNotDeleted, DeletedByOthers.
    """
    stream = locked_stream(stream_id, deleted=True)
    is_creator = by.pk == stream.creator_id
    if stream.deleted_at and (not is_creator or now >= purge_at(stream.deleted_at)):
        raise StreamMissing
    if not is_creator:
        raise NotTheCreator
    allow_restore(stream, by=by, now=now)
    # Otherwise a creator could undo the decision of a moderator.
    if stream.deleted_by_id != by.pk:
        raise DeletedByOthers
    return _restored(stream, by=by, now=now)


def purge_records(stream_id: str, *, now: datetime) -> None:
    """Remove what refers to the stream if its retention time is over, in short transactions, before `purge_stream`.

    A stream with a million viewers would otherwise take one transaction of minutes, for which the seal of the audit
    trail does not wait. A stream that staff restore meanwhile has lost records that were past their retention.
    """
    stream = LiveStream.all_objects.past_retention(now).filter(pk=stream_id).first()
    if stream is not None:
        remove_dependents(stream, lock=lambda: _locked_for_purge(stream_id, now) is not None)


def _locked_for_purge(stream_id: str, now: datetime) -> LiveStream | None:
    """The stream if it may be purged."""
    # Rounds and chunks are removed with it. Workers lock those rows before the row of the stream, so without the
    # advisory lock the two could deadlock.
    take_stream_lock(stream_id)
    return LiveStream.all_objects.past_retention(now).filter(pk=stream_id).for_update(skip_locked=True).first()


@transaction.atomic
def purge_stream(stream_id: str, *, now: datetime) -> str | None:
    """Remove the row if its retention time is over. Returns its thumbnail's file name, or None when it is kept.

    Raises ProtectedError when another row still refers to it.
    """
    stream = _locked_for_purge(stream_id, now)
    if stream is None:
        return None
    before = {
        "title": stream.title,
        "status": stream.status,
        "creator_id": stream.creator_id,
        "deleted_at": stream.deleted_at,
        "deleted_by_id": stream.deleted_by_id,
    }
    audit.record("purge_stream", stream, by=None, now=now, before=before, after={})
    stream.delete()
    return stream.thumbnail
