"""Retention of what `common` keeps: jobs, stored answers, old months of partitioned tables, and the audit trail."""

from collections.abc import Iterator
from datetime import datetime

from django.conf import settings

from common import audit_archive, partitions
from common.models import StoredAnswer
from common.retention import Removal, Retention, remove_by_sql, remove_rows

# The events of a job are deleted with it. The last one has the time when it ended.
_ENDED_JOBS = """
    SELECT job.id FROM procrastinate_jobs job
    WHERE job.status::text IN ('failed', 'cancelled', 'aborted', 'succeeded')
        AND (SELECT max(at) FROM procrastinate_events event WHERE event.job_id = job.id) < %s
    ORDER BY job.id
"""


def kinds() -> Iterator[Retention]:
    yield Retention("jobs", "JOB_RETENTION_DAYS", _remove_jobs)
    yield Retention("stored_answers", "IDEMPOTENCY_KEY_HOURS", _remove_answers)
    yield Retention("audit_rows", "AUDIT_RETENTION_YEARS", audit_archive.archive_old_months)


def _remove_jobs(now: datetime, removal: Removal) -> None:
    remove_by_sql(_ENDED_JOBS, [now - settings.JOB_RETENTION], "procrastinate_jobs", removal)


def _remove_answers(now: datetime, removal: Removal) -> None:
    remove_rows(StoredAnswer.objects.filter(expires_at__lte=now), removal)


def remove_months(table: str, months: int, now: datetime, removal: Removal) -> None:
    """Remove the partitions of `table` all of whose rows are older than `months` months. No row is deleted singly."""
    before = partitions.month_of(now) - months
    old = [each for each in partitions.partitions_of(table) if each.end is not None and each.end <= before]
    # The first partition alone, without rows, is what the last removal left.
    count = sum(partitions.rows_in(each.table) for each in old)
    if removal.dry_run or not (count or len(old) > 1):
        removal.count += count
        return
    partitions.patiently("SELECT remove_deletable_months(%s, %s)", table, before)
    removal.count += count
