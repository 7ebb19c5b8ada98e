"""How long data is kept that nobody needs any more. Checked when a process starts."""

from datetime import timedelta
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

from config.environment import DATA_DIR, env

DELETED_RETENTION = timedelta(days=env.int("DELETED_RETENTION_DAYS", default=30))
SESSION_RETENTION = timedelta(days=env.int("SESSION_RETENTION_DAYS", default=30))
JOB_RETENTION = timedelta(days=env.int("JOB_RETENTION_DAYS", default=7))
STREAM_RECORD_RETENTION = timedelta(days=env.int("STREAM_RECORD_RETENTION_DAYS", default=365))
REPORT_RETENTION = timedelta(days=env.int("REPORT_RETENTION_DAYS", default=365))
NOTIFICATION_RETENTION_MONTHS = env.int("NOTIFICATION_RETENTION_MONTHS", default=12)
AUDIT_RETENTION_YEARS = env.int("AUDIT_RETENTION_YEARS", default=7)  # 0: for ever
AUDIT_ARCHIVE_FOLDER = Path(env.str("AUDIT_ARCHIVE_FOLDER", default="") or DATA_DIR / "audit-archive")
if NOTIFICATION_RETENTION_MONTHS < 1 or AUDIT_RETENTION_YEARS < 0:
    raise ImproperlyConfigured("NOTIFICATION_RETENTION_MONTHS must be at least 1, AUDIT_RETENTION_YEARS at least 0.")
if min(DELETED_RETENTION, SESSION_RETENTION, JOB_RETENTION, STREAM_RECORD_RETENTION, REPORT_RETENTION) < timedelta(0):
    raise ImproperlyConfigured("DELETED_, SESSION_, JOB_, STREAM_RECORD_ and REPORT_RETENTION_DAYS must be at least 0.")
# A reminder is shown as sent because its notification exists, so that must not be removed first.
if timedelta(days=NOTIFICATION_RETENTION_MONTHS * 365 // 12) < STREAM_RECORD_RETENTION:
    raise ImproperlyConfigured("STREAM_RECORD_RETENTION_DAYS must not be longer than NOTIFICATION_RETENTION_MONTHS.")
