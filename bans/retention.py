"""Retention of decided cases with their reports, of bulk requests, and of claims that have no effect."""

from collections.abc import Iterator
from datetime import datetime

from django.conf import settings
from django.db.models import Q

from bans.models import BulkRequest, ReportCase, ReviewClaim
from common.retention import Kept, Removal, Retention, remove_old_rows, remove_rows

CASES_AT_ONCE = 20  # a case may have many thousand reports


def kinds() -> Iterator[Retention | Kept]:
    yield Retention("report_cases", "REPORT_RETENTION_DAYS", ("bans_reportcase", "bans_report"), _remove_cases)
    yield Retention("bulk_requests", "BULK_REQUEST_RETENTION_DAYS", ("bans_bulkrequest",), _remove_requests)
    yield Retention("review_claims", "REVIEW_CLAIM_SECONDS", ("bans_reviewclaim",), _remove_claims)
    yield Kept("bans_livestreamban", "until the stream is purged: moderators judge repeated offences by them")
    yield Kept("bans_appeal", "as long as the ban: it is part of its history")


def _remove_cases(now: datetime, removal: Removal) -> None:
    """With their reports. A case that nobody has decided stays, whatever its age."""
    before = now - settings.REPORT_RETENTION
    due = Q(decided_at__lt=before, stream__hold__isnull=True)
    remove_old_rows(ReportCase, removal, time="created_at", before=before, due=due, size=CASES_AT_ONCE)


def _remove_requests(now: datetime, removal: Removal) -> None:
    """Those that were decided, or have expired. The audit trail keeps who asked for what, and who decided."""
    before = now - settings.BULK_REQUEST_RETENTION
    due = Q(decided_at__lt=before) | Q(state=BulkRequest.State.PENDING, expires_at__lt=before)
    remove_old_rows(BulkRequest, removal, time="created_at", before=before, due=due)


def _remove_claims(now: datetime, removal: Removal) -> None:
    remove_rows(ReviewClaim.objects.filter(until__lte=now), removal, time="until")
