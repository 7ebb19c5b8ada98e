"""Numbers that were counted up to a limit, spans of time and moments, as text."""

from datetime import datetime, timedelta
from typing import NamedTuple

from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from common.admin.audit_trail import written

MINUTE, HOUR, DAY = 60, 3_600, 86_400


class Amount(NamedTuple):
    """A number of rows. With `is_more` there are at least so many, and the others were not counted."""

    number: int
    is_more: bool = False

    def __str__(self) -> str:
        text = number_format(self.number, force_grouping=True)
        return f"{text}+" if self.is_more else text

    def __bool__(self) -> bool:
        return self.number > 0 or self.is_more


def up_to(most: int, counted: int) -> Amount:
    """Of a `CountUpTo` of `most` + 1 rows."""
    return Amount(min(counted, most), counted > most)


def among(read: int, counted: dict[str, int], most: int) -> Amount:
    """Of a `CountAmong` of `read` rows. At most `most` is shown."""
    return Amount(min(counted["found"], most), counted["found"] > most or counted["read"] >= read)


def moment(text: str | None) -> datetime | None:
    """The time of a JSON object of PostgreSQL."""
    return None if text is None else datetime.fromisoformat(text)


class Age(NamedTuple):
    """How long ago something was: `text` and `ago` in words, `written` as a time, `iso` for machines."""

    text: str
    ago: str
    written: str
    iso: str


def age(since_text: str, now: datetime) -> Age:
    since = datetime.fromisoformat(since_text)
    text = in_words(now - since)
    return Age(text, _("%(age)s ago") % {"age": text}, written(since), since.isoformat(timespec="seconds"))


def in_words(span: timedelta) -> str:
    """To the minute, above a day to the day."""
    seconds = max(0, int(span.total_seconds()))
    if seconds < MINUTE:
        return _("under a minute")
    if seconds < HOUR:
        return _("%(count)d min") % {"count": seconds // MINUTE}
    if seconds < DAY:
        hours, minutes = divmod(seconds // MINUTE, 60)
        text = _("%(count)d h") % {"count": hours}
        return f"{text} {_('%(count)d min') % {'count': minutes}}" if minutes else text
    days = seconds // DAY
    return ngettext("%(count)d day", "%(count)d days", days) % {"count": days}


def in_seconds(span: timedelta) -> str:
    """For lags: seconds up to two minutes."""
    seconds = max(0, round(span.total_seconds()))
    return _("%(count)d s") % {"count": seconds} if seconds < 2 * MINUTE else in_words(span)
