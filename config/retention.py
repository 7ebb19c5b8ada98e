"""How long data is kept that nobody needs any more. Checked when a process starts."""

from datetime import timedelta
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

from config.environment import DATA_DIR, env

LONGEST = 3650  # days


def _number(name: str, default: int, *, least: int, most: int) -> int:
    number = env.int(name, default=default)
    if not least <= number <= most:
        raise ImproperlyConfigured(f"{name} must be between {least} and {most}.")
    return number


def _days(name: str, default: int, *, least: int = 1, most: int = LONGEST) -> timedelta:
    return timedelta(days=_number(name, default, least=least, most=most))


DELETED_RETENTION = _days("DELETED_RETENTION_DAYS", 30, least=0)
SESSION_RETENTION = _days("SESSION_RETENTION_DAYS", 30, least=0)
JOB_RETENTION = _days("JOB_RETENTION_DAYS", 7, least=0)
REPORT_RETENTION = _days("REPORT_RETENTION_DAYS", 365, least=0)
BULK_REQUEST_RETENTION = _days("BULK_REQUEST_RETENTION_DAYS", 365)
# Push services end tokens that no app used for 270 days.
DEVICE_TOKEN_RETENTION = _days("DEVICE_TOKEN_RETENTION_DAYS", 270, least=30, most=730)

# Records of a stream, counted from when it was over. STREAM_RECORD_RETENTION_DAYS is the default of the others. A day
# at least: statistics are counted from participants after the end.
_OF_STREAMS = _number("STREAM_RECORD_RETENTION_DAYS", 365, least=1, most=LONGEST)
PARTICIPANT_RETENTION = _days("PARTICIPANT_RETENTION_DAYS", _OF_STREAMS)
FEEDBACK_RETENTION = _days("FEEDBACK_RETENTION_DAYS", _OF_STREAMS)
VIEWER_SAMPLE_RETENTION = _days("VIEWER_SAMPLE_RETENTION_DAYS", _OF_STREAMS)
REVOCATION_RETENTION = _days("REVOCATION_RETENTION_DAYS", _OF_STREAMS)
REMINDER_RETENTION = _days("REMINDER_RETENTION_DAYS", _OF_STREAMS)
DELIVERY_RETENTION = _days("DELIVERY_RETENTION_DAYS", _OF_STREAMS)  # rounds with their chunks and deliveries

NOTIFICATION_RETENTION_MONTHS = _number("NOTIFICATION_RETENTION_MONTHS", 12, least=1, most=120)
# A reminder is shown as sent because its notification exists, so that must not be removed first.
if timedelta(days=NOTIFICATION_RETENTION_MONTHS * 365 // 12) < max(REMINDER_RETENTION, DELIVERY_RETENTION):
    raise ImproperlyConfigured(
        "REMINDER_ and DELIVERY_RETENTION_DAYS (default STREAM_RECORD_RETENTION_DAYS) must not be longer than"
        " NOTIFICATION_RETENTION_MONTHS."
    )

AUDIT_RETENTION_YEARS = _number("AUDIT_RETENTION_YEARS", 7, least=0, most=100)  # 0: for ever
AUDIT_ARCHIVE_FOLDER = Path(env.str("AUDIT_ARCHIVE_FOLDER", default="") or DATA_DIR / "audit-archive")
