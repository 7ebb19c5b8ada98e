"""The durations of bans that moderators choose from, wherever they make or change one."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils.translation import gettext_lazy as _

from common.refusals import Text


@dataclass(frozen=True)
class Duration:
    """With the time None, the ban holds until it is lifted."""

    label: Text
    time: timedelta | None

    def end(self, now: datetime) -> datetime | None:
        """The end of a ban that is made or changed at `now`."""
        return None if self.time is None else now + self.time


TEN_MINUTES = Duration(_("10 minutes"), timedelta(minutes=10))
ONE_HOUR = Duration(_("1 hour"), timedelta(hours=1))
ONE_DAY = Duration(_("1 day"), timedelta(days=1))
SEVEN_DAYS = Duration(_("7 days"), timedelta(days=7))
UNTIL_LIFTED = Duration(_("until it is lifted"), None)
