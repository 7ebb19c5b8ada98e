"""The texts of notifications, in the active language."""

from datetime import datetime
from typing import Any

from django.utils.translation import gettext, ngettext

from common.texts import isolated
from reminders.models import Kind, VerdictKind
from reminders.verdict_texts import message_of_verdict, title_of_verdict


def title_of(kind: str) -> str:
    if kind in VerdictKind:
        return title_of_verdict(kind)
    match Kind(kind):
        case Kind.REMINDER:
            return gettext("Starting soon")
        case Kind.LIVE:
            return gettext("Live now")
        case Kind.CANCELLED:
            return gettext("Cancelled")


def message_of(
    kind: str,
    stream: str,
    planned_start_at: datetime | None,
    notified_at: datetime,
    details: dict[str, Any] | None = None,
) -> str:
    """`stream` is the title. The time until the start is counted from `notified_at`, so the text never changes.

    `details` are those of a verdict.
    """
    stream = isolated(stream)
    if kind in VerdictKind:
        return message_of_verdict(kind, stream, details or {})
    match Kind(kind):
        case Kind.LIVE:
            return gettext("“%(stream)s” has started.") % {"stream": stream}
        case Kind.CANCELLED:
            return gettext("“%(stream)s” has been cancelled.") % {"stream": stream}
        case Kind.REMINDER:
            minutes = _minutes_between(notified_at, planned_start_at)
            if minutes < 1:
                return gettext("“%(stream)s” is about to start.") % {"stream": stream}
            # In days or hours when the number is whole.
            for size, text in ((1440, _in_days), (60, _in_hours)):
                if minutes % size == 0:
                    return text(minutes // size) % {"stream": stream, "number": minutes // size}
            return _in_minutes(minutes) % {"stream": stream, "number": minutes}


def _minutes_between(notified_at: datetime, planned_start_at: datetime | None) -> int:
    return 0 if planned_start_at is None else round((planned_start_at - notified_at).total_seconds() / 60)


def _in_minutes(number: int) -> str:
    return ngettext("“%(stream)s” starts in %(number)d minute.", "“%(stream)s” starts in %(number)d minutes.", number)


def _in_hours(number: int) -> str:
    return ngettext("“%(stream)s” starts in %(number)d hour.", "“%(stream)s” starts in %(number)d hours.", number)


def _in_days(number: int) -> str:
    return ngettext("“%(stream)s” starts in %(number)d day.", "“%(stream)s” starts in %(number)d days.", number)
