"""Joining and leaving a stream, the keys of join tokens, numbers of viewers and statistics, and revocations."""

from edges.services.admission import JoinToken, StreamNotActive, admit
from edges.services.join_keys import KEY_PUBLISHED_BEFORE, forget_keys, public_keys, rotate_join_key
from edges.services.live import LIVE, follow_stream
from edges.services.presence import NotJoined, leave
from edges.services.ranking import CREATORS
from edges.services.revocations import (
    CHANNEL,
    Cursor,
    RevocationPage,
    cursor_for,
    new_revocations,
    record_revocations,
    revocations_after,
)
from edges.services.statistics import STATISTICS

__all__ = [
    "CHANNEL",
    "CREATORS",
    "KEY_PUBLISHED_BEFORE",
    "LIVE",
    "STATISTICS",
    "Cursor",
    "JoinToken",
    "NotJoined",
    "RevocationPage",
    "StreamNotActive",
    "admit",
    "cursor_for",
    "follow_stream",
    "forget_keys",
    "leave",
    "new_revocations",
    "public_keys",
    "record_revocations",
    "revocations_after",
    "rotate_join_key",
]
