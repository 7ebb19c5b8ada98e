"""What is stored of streams and of those who watch them."""

from livestreams.models.audience import JoinKey, Participant, Revocation
from livestreams.models.streams import (
    ANSWERABLE,
    LATEST_PLAN,
    LIFECYCLE,
    UPCOMING,
    Action,
    GuestStatus,
    LiveStream,
    LiveStreamQuerySet,
    Status,
    allowed,
    last_when_missing,
    lifecycle_diagram,
    next_status,
    planned_end,
    refusal_message,
    role_of,
)

__all__ = [
    "ANSWERABLE",
    "LATEST_PLAN",
    "LIFECYCLE",
    "UPCOMING",
    "Action",
    "GuestStatus",
    "JoinKey",
    "LiveStream",
    "LiveStreamQuerySet",
    "Participant",
    "Revocation",
    "Status",
    "allowed",
    "last_when_missing",
    "lifecycle_diagram",
    "next_status",
    "planned_end",
    "refusal_message",
    "role_of",
]
