"""The one statement that reads the front page: the parts that the reader may see, and no others."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from accounts.models import User
from bans import overview as bans
from bans.models import LiveStreamBan
from common.queries import ID, Param, Question
from reminders import overview as reminders

LATELY = timedelta(minutes=10)
SOON = timedelta(hours=1)

ActionType = LiveStreamBan.ActionType


@dataclass(frozen=True)
class Part:
    """What one expression reads, for users with all `permissions`. `instead` is another part for those without."""

    name: str
    permissions: tuple[str, ...]
    expression: Callable[[], Any]
    instead: "Part | None" = None

    def for_user(self, user: User) -> "Part | None":
        if user.has_perms(self.permissions):
            return self
        return self.instead.for_user(user) if self.instead else None


_SEES_BANS = ("bans.view_livestreamban",)
_SEES_STREAMS = ("livestreams.view_livestream",)
PARTS = (
    Part("waiting", _SEES_BANS, bans.waiting),
    Part(
        "live",
        _SEES_STREAMS + _SEES_BANS,
        partial(bans.live, with_bans=True),
        Part("live_streams", _SEES_STREAMS, partial(bans.live, with_bans=False)),
    ),
    Part("raids", _SEES_BANS, bans.raids),
    Part("blocks", _SEES_BANS, partial(bans.by_hour, ActionType.BLOCK)),
    Part("silences", _SEES_BANS, partial(bans.by_hour, ActionType.CHAT_ONLY)),
    Part("decisions", ("bans.moderate",), bans.decisions),
    Part("reminders_due", ("reminders.view_reminder",), reminders.reminders_due),
    Part("dispatch", ("reminders.view_round",), reminders.dispatch),
    Part("deliveries", ("reminders.view_delivery",), reminders.deliveries),
    Part("failed_jobs", ("reminders.view_delivery",), reminders.failed_jobs),
)
_BY_NAME = {part.name: part for each in PARTS for part in (each, each.instead) if part}

_PARTS_OF = Question(
    lambda *names: User.objects.filter(pk=Param("user", ID)).values_list(
        *(_BY_NAME[name].expression() for name in names)
    )
)


def read(user: User, now: datetime) -> dict[str, Any]:
    """The values of the parts that the user may see, by name. One statement, or none if there is no part."""
    seen = [part.name for each in PARTS if (part := each.for_user(user))]
    if not seen:
        return {}
    (row,) = _PARTS_OF.rows(*seen, user=user.pk, now=now, soon=now + SOON, lately=now - LATELY, hour=hour_of(now))
    return dict(zip(seen, row, strict=True))


def hour_of(now: datetime) -> datetime:
    return now.replace(minute=0, second=0, microsecond=0)
