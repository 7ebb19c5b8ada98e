"""Retention of what `common` and Django keep: jobs, stored answers, months of partitioned tables, the audit trail."""

from collections.abc import Iterator
from datetime import datetime

from django.conf import settings

from common import audit_archive, partitions
from common.locks import AdvisoryLock
from common.models import StoredAnswer
from common.partitions import Partition
from common.retention import Kept, Removal, Retention, remove_by_sql, remove_rows

MONTHS = AdvisoryLock("removing months")

# The events of a job are deleted with it. The last one has the time when it ended.
_ENDED_JOBS = """
    SELECT job.id, ended.at FROM procrastinate_jobs job
    CROSS JOIN LATERAL (SELECT max(at) AS at FROM procrastinate_events event WHERE event.job_id = job.id) AS ended
    WHERE job.status::text IN ('failed', 'cancelled', 'aborted', 'succeeded') AND ended.at < %s
    ORDER BY job.id
"""


def kinds() -> Iterator[Retention | Kept]:
    yield Retention("jobs", "JOB_RETENTION_DAYS", ("procrastinate_jobs", "procrastinate_events"), _remove_jobs)
    yield Retention("stored_answers", "IDEMPOTENCY_KEY_HOURS", ("common_storedanswer",), _remove_answers)
    yield Retention("audit_rows", "AUDIT_RETENTION_YEARS", (audit_archive.TABLE,), audit_archive.archive_old_months)
    yield Kept("common_auditredaction", "for ever: they prove what was redacted in the audit trail and its archives")
    yield Kept("common_auditseal", "for ever: they verify the audit trail, also in its archives")
    yield Kept("common_auditarchive", "for ever: they name the archives of the audit trail")
    yield Kept("common_ratecounter", "until their window ends; workers remove them within five minutes")
    yield Kept("common_lastwrite", "until every replica has replayed them; workers remove them within five minutes")
    yield Kept("common_storageplace", "until a machine was not seen for a day; each other machine removes them")
    yield Kept("common_runningprocess", "until a process was not seen for a day; the others remove them")
    yield Kept("common_keyuse", "for ever: one row for each SECRET_KEY and JWT_SIGNING_KEY")
    yield Kept("common_lastingkey", "for ever: links in sent emails do not expire")
    yield Kept("procrastinate_workers", "until a worker stops, or sends no heartbeat; workers remove them")
    yield Kept("procrastinate_periodic_defers", "until the next run of the task; one row for each periodic task")
    yield Kept("auth_group", "until staff delete the group")
    yield Kept("auth_group_permissions", "until staff take the permission away")
    yield Kept("auth_permission", "as long as the model exists; migrate writes them")
    yield Kept("django_content_type", "as long as the model exists; migrate writes them")
    yield Kept("django_migrations", "for ever: migrate needs them")
    yield Kept("django_admin_log", "no row is written: the audit trail has the changes of the admin")


def _remove_jobs(now: datetime, removal: Removal) -> None:
    remove_by_sql(_ENDED_JOBS, [now - settings.JOB_RETENTION], "procrastinate_jobs", removal)


def _remove_answers(now: datetime, removal: Removal) -> None:
    remove_rows(StoredAnswer.objects.filter(expires_at__lte=now), removal, time="expires_at")


def remove_months(table: str, months: int, now: datetime, removal: Removal, *, time: str) -> None:
    """Remove the partitions of `table` all of whose rows are older than `months` months. No row is deleted singly.

    `time` is the column of their age.
    """
    before = partitions.month_of(now) - months
    if removal.dry_run:
        for each in _old_months(table, before):
            removal.foresee(*partitions.rows_and_oldest(each.table, time))
        return
    with MONTHS.tried_by_session(table) as is_taken:
        # Another process that has the lock removes the same months, and counts their rows.
        if not is_taken:
            return
        old = _old_months(table, before)
        count = sum(partitions.rows_in(each.table) for each in old)
        # The first partition alone, without rows, is what the last removal left.
        if count or len(old) > 1:
            partitions.patiently("SELECT remove_deletable_months(%s, %s)", table, before)
            removal.count += count


def _old_months(table: str, before: int) -> list[Partition]:
    return [each for each in partitions.partitions_of(table) if each.end is not None and each.end <= before]
