"""Hooks: functions of higher apps that this one calls. Settings name the implementations."""

from collections.abc import Collection
from datetime import datetime
from typing import Any, Protocol, TypedDict

from django.db.models.expressions import Combinable

from common.hooks import Hook
from livestreams.models import LiveStream


class Restriction(TypedDict):
    """The ban that holds. `action` is BLOCK or CHAT_ONLY; `until` is ISO 8601, or None for a ban without end."""

    action: str
    reason: str | None
    until: str | None


class AudienceRestriction(Protocol):
    """An expression for the Restriction that holds for `user` on `stream` at `now`, or NULL."""

    def __call__(self, *, stream: Combinable, user: Combinable, now: Combinable) -> Combinable: ...


class ReminderWaits(Protocol):
    """An expression for whether a reminder of `user` for `stream` is still to be sent."""

    def __call__(self, *, stream: Combinable, user: Combinable, now: Combinable) -> Combinable: ...


class StreamFollower(Protocol):
    """Called after each change of a stream, in the transaction of the change and under the stream's lock.

    `changed` contains the names of the changed columns.
    """

    def __call__(self, stream: LiveStream, *, changed: Collection[str], now: datetime) -> Any: ...


AUDIENCE_RESTRICTION: Hook[AudienceRestriction] = Hook("AUDIENCE_RESTRICTION", AudienceRestriction)
REMINDER_WAITS: Hook[ReminderWaits] = Hook("REMINDER_WAITS", ReminderWaits)
STREAM_FOLLOWERS: Hook[StreamFollower] = Hook("STREAM_FOLLOWERS", StreamFollower)
