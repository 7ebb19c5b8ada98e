"""Queries of viewers, revocations, and streams by who watches them: wire dictionaries and pages of lists."""

from edges.reads.audience import (
    VIEWERS,
    joined,
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
from edges.reads.history import BROADCASTED, WATCHED, broadcasted_streams, watched_streams

__all__ = [
    "BROADCASTED",
    "LIVE_BY_START",
    "LIVE_BY_VIEWERS",
    "VIEWERS",
    "WATCHED",
    "broadcasted_streams",
    "catch_streamers",
    "featured",
    "joined",
    "most_watched_creators",
    "refuse_unless_readable",
    "revocations",
    "viewer_count",
    "viewers",
    "watched_streams",
    "whats_live_now",
]
