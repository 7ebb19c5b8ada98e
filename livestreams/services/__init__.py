"""Everything that changes a stream. The API, the admin, commands and tasks call these functions."""

from livestreams.hooks import Restriction
from livestreams.services.deletion import (
    allow_delete,
    allow_restore,
    delete_stream,
    purge_at,
    purge_stream,
    restore_own_stream,
    restore_stream,
)
from livestreams.services.guests import accept_guest, decline_guest
from livestreams.services.holds import release_stream, retain_stream
from livestreams.services.lifecycle import (
    allow_cancel,
    allow_end,
    cancel_stream,
    end_stream,
    expire_stream,
    start_stream,
)
from livestreams.services.planning import create_stream, edit_stream
from livestreams.services.refusals import (
    REFUSALS,
    AlreadyLive,
    DeletedByOthers,
    GuestAnswerTooLate,
    GuestHasDeclined,
    MoveRefused,
    NotTheCreator,
    NotTheCreatorOrGuest,
    NotTheGuest,
    StreamMissing,
    StreamNotCancellable,
    StreamNotDeletable,
    StreamNotDeleted,
    StreamNotEditable,
    StreamNotEndable,
    StreamNotExpirable,
    StreamNotStartable,
)
from livestreams.services.restrictions import Banned, audience_restriction, readable, refuse_blocked, reminder_waits
from livestreams.services.stream_lock import share_stream_lock, take_stream_lock
from livestreams.services.thumbnails import remove_thumbnail, set_thumbnail

__all__ = [
    "REFUSALS",
    "AlreadyLive",
    "Banned",
    "DeletedByOthers",
    "GuestAnswerTooLate",
    "GuestHasDeclined",
    "MoveRefused",
    "NotTheCreator",
    "NotTheCreatorOrGuest",
    "NotTheGuest",
    "Restriction",
    "StreamMissing",
    "StreamNotCancellable",
    "StreamNotDeletable",
    "StreamNotDeleted",
    "StreamNotEditable",
    "StreamNotEndable",
    "StreamNotExpirable",
    "StreamNotStartable",
    "accept_guest",
    "allow_cancel",
    "allow_delete",
    "allow_end",
    "allow_restore",
    "audience_restriction",
    "cancel_stream",
    "create_stream",
    "decline_guest",
    "delete_stream",
    "edit_stream",
    "end_stream",
    "expire_stream",
    "purge_at",
    "purge_stream",
    "readable",
    "refuse_blocked",
    "release_stream",
    "reminder_waits",
    "remove_thumbnail",
    "restore_own_stream",
    "restore_stream",
    "retain_stream",
    "set_thumbnail",
    "share_stream_lock",
    "start_stream",
    "take_stream_lock",
]
