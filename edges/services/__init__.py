"""Joining and leaving a stream, feedback, the keys of join tokens, numbers of viewers, statistics, and revocations."""

from edges.services.admission import JoinToken, StreamNotActive, admit
from edges.services.feedback import FeedbackGiven, NotWatched, StreamNotEnded, give_feedback, refuse_feedback
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
    "FeedbackGiven",
    "JoinToken",
    "NotJoined",
    "NotWatched",
    "RevocationPage",
    "StreamNotActive",
    "StreamNotEnded",
    "admit",
    "cursor_for",
    "follow_stream",
    "forget_keys",
    "give_feedback",
    "leave",
    "new_revocations",
    "public_keys",
    "record_revocations",
    "refuse_feedback",
    "revocations_after",
    "rotate_join_key",
]
