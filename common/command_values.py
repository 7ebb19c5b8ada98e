"""Values of options of commands: types for argparse, whose errors name the option and the rule."""

import re
from argparse import ArgumentTypeError
from datetime import UTC, datetime, timedelta

from django.utils import timezone

from common.fields import OBJECT_ID

_AGE = re.compile(r"(\d{1,6})([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
MOST_LISTED = 100_000
LONGEST_REASON = 1_000  # characters


def object_id(text: str) -> str:
    wanted = text.lower()
    if not OBJECT_ID.fullmatch(wanted):
        raise ArgumentTypeError(f"{text!r} is no id; ids are 24 hexadecimal characters")
    return wanted


def number(text: str) -> int:
    """The id of a job."""
    if not re.fullmatch(r"[0-9]{1,18}", text):
        raise ArgumentTypeError(f"{text!r} is no id; ids of jobs are numbers")
    return int(text)


def age(text: str) -> timedelta:
    """`90s`, `30m`, `2h` or `3d`."""
    found = _AGE.fullmatch(text)
    if found is None:
        raise ArgumentTypeError(f"{text!r} is no age; write 90s, 30m, 2h or 3d")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


def moment(text: str) -> datetime:
    """A time in ISO 8601, in UTC if it has no offset, or an age before now."""
    if _AGE.fullmatch(text):
        return timezone.now() - age(text)
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        rule = "write 2026-11-28T07:00, with an offset if it is not UTC, or an age: 90s, 30m, 2h, 3d"
        raise ArgumentTypeError(f"{text!r} is no time; {rule}") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def limit(text: str) -> int:
    """How many rows to list."""
    if not re.fullmatch(r"[0-9]{1,9}", text) or not 1 <= int(text) <= MOST_LISTED:
        raise ArgumentTypeError(f"must be a number from 1 to {MOST_LISTED:,}, not {text!r}")
    return int(text)


def reason(text: str) -> str:
    text = text.strip()
    if not 1 <= len(text) <= LONGEST_REASON:
        raise ArgumentTypeError(f"must have 1 to {LONGEST_REASON:,} characters")
    return text
