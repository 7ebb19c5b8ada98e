"""Models of streams, and their lifecycle."""

from livestreams.models.holds import Hold
from livestreams.models.lifecycle import (
    ANSWERABLE,
    LATEST_PLAN,
    LIFECYCLE,
    OVER,
    UPCOMING,
    Action,
    GuestStatus,
    Status,
    allowed,
    next_status,
    over_before,
    refusal_message,
)
from livestreams.models.streams import (
    BEGIN,
    OPEN,
    LiveStream,
    of_living_stream,
    planned_end,
    role_of,
)

__all__ = [
    "ANSWERABLE",
    "BEGIN",
    "LATEST_PLAN",
    "LIFECYCLE",
    "OPEN",
    "OVER",
    "UPCOMING",
    "Action",
    "GuestStatus",
    "Hold",
    "LiveStream",
    "Status",
    "allowed",
    "next_status",
    "of_living_stream",
    "over_before",
    "planned_end",
    "refusal_message",
    "role_of",
]
