"""Hooks: functions of higher apps that this one calls. Settings name the implementations."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple, Protocol

from bans.models import LiveStreamBan
from common.hooks import Hook

HOLDS_AGAIN = "holds_again"


class VerdictNews(NamedTuple):
    """What is reported to a banned person about a verdict, or about a lift that approved an appeal.

    `verdict` is a value of `Review`, or HOLDS_AGAIN if it ended a lift. `appeal_state` is the state that it gave to the
    appeal, None if it decided none. `message` is what the moderator writes to the person.
    """

    ban: LiveStreamBan
    verdict: str
    appeal_state: str | None = None
    message: str | None = None


class VerdictNotices(Protocol):
    """Called with new verdicts that say something new to the banned person, in the transaction that writes them."""

    def __call__(self, news: Sequence[VerdictNews], *, now: datetime) -> Any: ...


class VerdictWithdrawal(Protocol):
    """Called when the verdict of `reviewed_at` on `ban` was taken back, in the same transaction."""

    def __call__(self, ban: LiveStreamBan, *, reviewed_at: datetime, now: datetime) -> Any: ...


VERDICT_NOTICES: Hook[VerdictNotices] = Hook("VERDICT_NOTICES", VerdictNotices)
VERDICT_WITHDRAWAL: Hook[VerdictWithdrawal] = Hook("VERDICT_WITHDRAWAL", VerdictWithdrawal)


def report_verdicts(news: Iterable[VerdictNews | None], *, now: datetime) -> None:
    """Call the hook with the news that are not None, if any."""
    if said := [one for one in news if one is not None]:
        VERDICT_NOTICES.function()(said, now=now)
