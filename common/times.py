"""The formats of times: on the wire, and for people."""

from datetime import UTC, datetime

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.timesince import timesince
from django.utils.translation import gettext as _

# Of Django's filter `date`. Months have the names of the language.
DAY = "j M Y"
MOMENT = f"{DAY}, H:i"
SECOND = f"{MOMENT}:s"


def wire_time(moment: datetime) -> str:
    """ISO 8601 in UTC with milliseconds and `Z`. `moment` is in UTC, as PostgreSQL's driver gives it."""
    return moment.isoformat(timespec="milliseconds")[:23] + "Z"


def optional_wire_time(moment: datetime | None) -> str | None:
    return None if moment is None else wire_time(moment)


def wire_now() -> str:
    return wire_time(datetime.now(UTC))


def written(moment: datetime) -> str:
    """ "27 Nov 2026, 22:41", in the current language and time zone, which the page names."""
    return date_format(timezone.localtime(moment), MOMENT)


def written_exactly(moment: datetime) -> str:
    """ "27 Nov 2026, 22:41:09 (Europe/Istanbul)", for texts that stand alone, such as messages."""
    return f"{date_format(timezone.localtime(moment), SECOND)} ({timezone.get_current_timezone_name()})"


def how_long_ago(moment: datetime, *, now: datetime) -> str:
    """The distance from `now` in its largest unit: "3 minutes ago", "in 2 hours", "just now"."""
    if abs(moment - now).total_seconds() < 60:
        return _("just now")
    if moment < now:
        return _("%(time)s ago") % {"time": timesince(moment, now, depth=1)}
    return _("in %(time)s") % {"time": timesince(now, moment, depth=1)}
