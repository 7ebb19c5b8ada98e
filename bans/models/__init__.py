"""Models of bans, appeals, reports, claims, and bulk calls that wait for a second moderator."""

from bans.models.bans import (
    LONGEST_MESSAGE,
    Appeal,
    BanState,
    HeldRange,
    LiveStreamBan,
    ReviewClaim,
    bans_of,
    restriction,
    state_at,
)
from bans.models.reports import Report, ReportCase
from bans.models.requests import BulkRequest

__all__ = [
    "LONGEST_MESSAGE",
    "Appeal",
    "BanState",
    "BulkRequest",
    "HeldRange",
    "LiveStreamBan",
    "Report",
    "ReportCase",
    "ReviewClaim",
    "bans_of",
    "restriction",
    "state_at",
]
