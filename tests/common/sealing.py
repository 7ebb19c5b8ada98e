"""Sealing the audit trail for tests."""

from datetime import datetime

from common import seals
from common.models import AuditSeal


def sealed(*, now: datetime) -> list[AuditSeal]:
    """The new seals; they are not logged."""
    return seals.seal_rows(now=now, report=lambda seal: None)
