"""What streams ask of the apps above this one."""

from collections.abc import Collection
from datetime import datetime
from typing import Any, Protocol, TypedDict

from django.db.models.expressions import Combinable

from common.hooks import Hook
from livestreams.models import LiveStream


class Restriction(TypedDict):
    """What holds for somebody on a stream: BLOCK or CHAT_ONLY, why, and until when (ISO 8601; None: until lifted)."""

    action: str
    reason: str | None
    until: str | None


class AudienceRestriction(Protocol):
    """An expression for the Restriction that holds for `user` on `stream` at `now`, or NULL."""

    def __call__(self, *, stream: Combinable, user: Combinable, now: Combinable) -> Combinable: ...


class ReminderWaits(Protocol):
    """An expression for whether `user` will still be told of `stream`."""

    def __call__(self, *, stream: Combinable, user: Combinable, now: Combinable) -> Combinable: ...


class StreamFollower(Protocol):
    """What follows from a change of a stream; called in its transaction, under the stream's lock.

    `changed` are the names of the columns.
    """

    def __call__(self, stream: LiveStream, *, changed: Collection[str], now: datetime) -> Any: ...


AUDIENCE_RESTRICTION: Hook[AudienceRestriction] = Hook("AUDIENCE_RESTRICTION", AudienceRestriction)
REMINDER_WAITS: Hook[ReminderWaits] = Hook("REMINDER_WAITS", ReminderWaits)
STREAM_FOLLOWER: Hook[StreamFollower] = Hook("STREAM_FOLLOWER", StreamFollower)
