"""Everything that changes a stream. The API, the admin, commands and tasks call these functions."""

from livestreams.hooks import Restriction
from livestreams.services.deletion import allow_delete, allow_restore, delete_stream, purge_stream, restore_stream
from livestreams.services.guests import accept_guest, decline_guest
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
    GuestAnswerTooLate,
    GuestHasDeclined,
    MoveRefused,
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
from livestreams.services.restrictions import Banned, audience_restriction, refuse_blocked, reminder_waits
from livestreams.services.stream_lock import share_stream_lock, take_stream_lock

__all__ = [
    "REFUSALS",
    "AlreadyLive",
    "Banned",
    "GuestAnswerTooLate",
    "GuestHasDeclined",
    "MoveRefused",
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
    "purge_stream",
    "refuse_blocked",
    "reminder_waits",
    "restore_stream",
    "share_stream_lock",
    "start_stream",
    "take_stream_lock",
]
