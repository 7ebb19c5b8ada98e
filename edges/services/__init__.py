"""Joining a stream, the keys of join tokens, and revocations."""

from edges.services.admission import JoinToken, StreamNotActive, admit
from edges.services.join_keys import KEY_PUBLISHED_BEFORE, forget_keys, public_keys, rotate_join_key
from edges.services.revocations import (
    CHANNEL,
    Cursor,
    RevocationPage,
    cursor_for,
    new_revocations,
    record_revocation,
    record_revocations,
    revocations_after,
)

__all__ = [
    "CHANNEL",
    "KEY_PUBLISHED_BEFORE",
    "Cursor",
    "JoinToken",
    "RevocationPage",
    "StreamNotActive",
    "admit",
    "cursor_for",
    "forget_keys",
    "new_revocations",
    "public_keys",
    "record_revocation",
    "record_revocations",
    "revocations_after",
    "rotate_join_key",
]
