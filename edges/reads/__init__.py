"""Queries of viewers, revocations, and streams by who watches them: wire dictionaries and pages of lists."""

from edges.reads.audience import (
    VIEWERS,
    joined,
    left,
    present_viewers,
    refuse_unless_readable,
    revocations,
    viewer_count,
    viewers,
)
from edges.reads.discovery import (
    LIVE_BY_START,
    LIVE_BY_VIEWERS,
    catch_streamers,
    featured,
    most_watched_creators,
    whats_live_now,
)
from edges.reads.feedback import feedback_of, new_feedback
from edges.reads.history import BROADCASTED, WATCHED, broadcasted_streams, watched_streams
from edges.reads.statistics import broadcasters, statistics_of

__all__ = [
    "BROADCASTED",
    "LIVE_BY_START",
    "LIVE_BY_VIEWERS",
    "VIEWERS",
    "WATCHED",
    "broadcasted_streams",
    "broadcasters",
    "catch_streamers",
    "featured",
    "feedback_of",
    "joined",
    "left",
    "most_watched_creators",
    "new_feedback",
    "present_viewers",
    "refuse_unless_readable",
    "revocations",
    "statistics_of",
    "viewer_count",
    "viewers",
    "watched_streams",
    "whats_live_now",
]
