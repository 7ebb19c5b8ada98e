"""Checks of the audit trail for `doctor`: its protection, its owner, its seals (named in `settings.DOCTOR_CHECKS`)."""

from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta

from django.db import connection
from django.db.models import Sum
from django.utils import timezone

from common import audit_archive, audit_guard, seals, service_role
from common.doctor import Finding, error, warning
from common.models import AuditSeal

SEALED_WITHIN = timedelta(hours=3)
ARCHIVED_WITHIN = timedelta(days=3)
RUNS_AGAIN = "the seals are made every hour by `manage.py worker`, or by hand: python manage.py seal_audit_trail"


def examine() -> Iterator[Finding]:
    yield from _guard()
    yield from _owner()
    yield from _late()
    yield from _old()


def _guard() -> Iterator[Finding]:
    faults = list(audit_guard.faults())
    if faults:
        repairs = "; ".join(dict.fromkeys(fault.repair for fault in faults))
        yield error(
            "audit_trail_unguarded",
            "The protection of the audit trail was changed, so that rows can be altered, removed or suppressed: "
            + "; ".join(fault.meaning for fault in faults)
            + ".",
            f"Find out who did that. Verify the rows: python manage.py doctor --audit. Then, as the owner: {repairs}",
        )


def _owner() -> Iterator[Finding]:
    found = list(service_role.powers())
    if found and not service_role.is_private_server():
        yield warning(
            "audit_trail_owned_by_service",
            f"The role that the service connects with {', '.join(found)}: whoever takes over the service can alter"
            " the audit trail.",
            "Let another role own the tables: docs/audit-trail.md, A role of its own for the service.",
        )


_OVERDUE = """
    WITH newest AS (
        SELECT coalesce(max(last_id), %(lowest)s::bigint) AS last_id,
            coalesce(max(made_at), (
                SELECT min(applied) FROM django_migrations WHERE app = 'common' AND name = %(migration)s
            )) AS moment
        FROM common_auditseal
    )
    SELECT moment FROM newest
    WHERE moment < now() - %(within)s::interval AND EXISTS (
        SELECT FROM common_auditentry entry WHERE entry.id > newest.last_id AND entry.at < now() - %(within)s::interval
    )
"""


def _late() -> Iterator[Finding]:
    """Rows of past hours that no seal covers. They also occur when the newest seals have been removed."""
    with connection.cursor() as cursor:
        cursor.execute(_OVERDUE, {"lowest": seals.LOWEST, "within": str(SEALED_WITHIN), "migration": "0001_initial"})
        row = cursor.fetchone()
    if row:
        yield warning(
            "audit_seals_late",
            f"The newest seal of the audit trail is of {row[0]:%Y-%m-%d %H:%M} UTC, and rows of closed hours have"
            " none, so that altering them would not be detected.",
            f"Keep a worker running: {RUNS_AGAIN}. If workers did run, compare the newest seal with their log.",
        )


def _old() -> Iterator[Finding]:
    # The nightly task archives them, if its role owns the table. It has a day and a weekend for it.
    waiting = audit_archive.months_past_retention(timezone.now() - ARCHIVED_WITHIN)
    if waiting:
        yield warning(
            "audit_rows_past_retention",
            f"{len(waiting)} partitions of the audit trail are past AUDIT_RETENTION_YEARS and not archived:"
            f" {', '.join(partition.table for partition in waiting)}.",
            "Run as the owner of the tables, where AUDIT_ARCHIVE_FOLDER is: python manage.py purge",
        )


# --- verifying ------------------------------------------------------------------------------------


def verify(logged: Mapping[int, str], advance: Callable[[int], None]) -> tuple[seals.Verification, list[Finding]]:
    """The result of `seals.verify`, and the findings that follow from it."""
    verified = seals.verify(logged, advance, audit_archive.pages)
    findings = []
    if verified.altered:
        findings.append(
            error(
                "audit_trail_altered",
                f"Rows of the audit trail are not those that were sealed: {_listed(verified.altered)}"
                f"{_more(verified.altered_count)}.",
                "Keep this database as evidence, find out who had access, and compare the rows with those of a backup.",
            )
        )
    if verified.broken:
        findings.append(
            error(
                "audit_seals_broken",
                f"The seals of the audit trail do not form a chain: {_listed(verified.broken)}"
                f"{_more(verified.broken_count)}.",
                "Keep this database as evidence, and compare the seals with the workers' log, where each was written:"
                " python manage.py doctor --audit --seal NUMBER:DIGEST",
            )
        )
    return verified, findings


def _listed(sentences: list[str]) -> str:
    return "; ".join(sentences)


def _more(count: int) -> str:
    return f"; and {count - seals.MOST_NAMED} more" if count > seals.MOST_NAMED else ""


def rows_to_verify() -> int:
    return AuditSeal.objects.aggregate(rows=Sum("rows"))["rows"] or 0
