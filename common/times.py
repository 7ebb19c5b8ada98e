"""The format of times on the wire, and in messages."""

from datetime import UTC, datetime

from django.utils import timezone


def wire_time(moment: datetime) -> str:
    """ISO 8601 in UTC with milliseconds and `Z`. `moment` is in UTC, as PostgreSQL's driver gives it."""
    return moment.isoformat(timespec="milliseconds")[:23] + "Z"


def optional_wire_time(moment: datetime | None) -> str | None:
    return None if moment is None else wire_time(moment)


def local_time(moment: datetime) -> str:
    """For messages: to the second, in the time zone of the project and with its name."""
    return timezone.localtime(moment).strftime("%Y-%m-%d %H:%M:%S %Z")


def wire_now() -> str:
    return wire_time(datetime.now(UTC))
