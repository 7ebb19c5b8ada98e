"""Retention of decided cases and their reports."""

from collections.abc import Iterator
from datetime import datetime

from django.conf import settings
from django.db.models import Q

from bans.models import ReportCase
from common.retention import Removal, Retention, remove_old_rows

CASES_AT_ONCE = 20  # a case may have many thousand reports


def kinds() -> Iterator[Retention]:
    yield Retention("report_cases", "REPORT_RETENTION_DAYS", _remove_cases)


def _remove_cases(now: datetime, removal: Removal) -> None:
    """With their reports. A case that nobody has decided stays, whatever its age."""
    before = now - settings.REPORT_RETENTION
    due = Q(decided_at__lt=before, stream__hold__isnull=True)
    remove_old_rows(ReportCase, removal, time="created_at", before=before, due=due, size=CASES_AT_ONCE)
