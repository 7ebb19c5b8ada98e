"""Hooks: functions of higher apps that this one calls. Settings name the implementations."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple, Protocol

from bans.models import LiveStreamBan
from common.hooks import Hook


class VerdictNews(NamedTuple):
    """What a banned person hears of a verdict: the ban as it is now, and what the verdict did.

    `appeal_state` is the state that the verdict gave to the appeal, None if it decided none. `holds_again` is whether
    it ended a lift. The message to the person is in the ban.
    """

    ban: LiveStreamBan
    appeal_state: str | None
    holds_again: bool


class VerdictNotices(Protocol):
    """Called with new verdicts that say something new to the banned person, in the transaction that writes them."""

    def __call__(self, news: Sequence[VerdictNews], *, now: datetime) -> Any: ...


class VerdictWithdrawal(Protocol):
    """Called when the verdict of `reviewed_at` on `ban` was taken back, in the same transaction."""

    def __call__(self, ban: LiveStreamBan, *, reviewed_at: datetime, now: datetime) -> Any: ...


VERDICT_NOTICES: Hook[VerdictNotices] = Hook("VERDICT_NOTICES", VerdictNotices)
VERDICT_WITHDRAWAL: Hook[VerdictWithdrawal] = Hook("VERDICT_WITHDRAWAL", VerdictWithdrawal)
