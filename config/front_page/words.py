"""Numbers that were counted up to a limit, and moments, as text."""

from datetime import datetime, timedelta
from typing import NamedTuple

from django.utils.formats import number_format
from django.utils.safestring import SafeString
from django.utils.translation import ngettext

from common.admin.moments import time_html
from common.times import how_long_ago


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


def age(text: str, now: datetime) -> SafeString:
    """How long ago it was, in words."""
    since = datetime.fromisoformat(text)
    return time_html(since, how_long_ago(since, now=now))


def minutes_since(text: str, now: datetime) -> SafeString:
    since = datetime.fromisoformat(text)
    return time_html(since, str(Amount(max(0, int((now - since).total_seconds())) // 60)))


def in_seconds(span: timedelta) -> str:
    seconds = max(0, round(span.total_seconds()))
    text = ngettext("%(count)s second", "%(count)s seconds", seconds)
    return text % {"count": Amount(seconds)}
