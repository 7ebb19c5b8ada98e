"""Joining a stream, the keys of join tokens, and revocations."""

from edges.services.admission import JoinToken, StreamNotActive, admit
from edges.services.join_keys import KEY_PUBLISHED_BEFORE, forget_keys, public_keys, rotate_join_key
from edges.services.revocations import (
    CHANNEL,
    Cursor,
    News,
    cursor_for,
    news_since,
    record_revocation,
    record_revocations,
)

__all__ = [
    "CHANNEL",
    "KEY_PUBLISHED_BEFORE",
    "Cursor",
    "JoinToken",
    "News",
    "StreamNotActive",
    "admit",
    "cursor_for",
    "forget_keys",
    "news_since",
    "public_keys",
    "record_revocation",
    "record_revocations",
    "rotate_join_key",
]
