"""Reports of streams for tests."""

from datetime import datetime

from django.utils import timezone

from accounts.models import User
from bans import services
from bans.models import Report
from livestreams.models import LiveStream

REPORTS = "/api/v1/live-stream-reports"
MY_REPORTS = f"{REPORTS}/my-reports"


def report_url(stream: LiveStream) -> str:
    return f"{REPORTS}/{stream.pk}"


def make_report(
    by: User, stream: LiveStream, *, now: datetime | None = None, reason: str = "spam", comment: str | None = None
) -> Report:
    return services.report_stream(stream.pk, by=by, now=now or timezone.now(), reason=reason, comment=comment)
