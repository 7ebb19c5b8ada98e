"""The format of times on the wire."""

from datetime import UTC, datetime


def wire_time(moment: datetime) -> str:
    """ISO 8601 in UTC with milliseconds and `Z`. `moment` is in UTC, as PostgreSQL's driver gives it."""
    return moment.isoformat(timespec="milliseconds")[:23] + "Z"


def optional_wire_time(moment: datetime | None) -> str | None:
    return None if moment is None else wire_time(moment)


def wire_now() -> str:
    return wire_time(datetime.now(UTC))
