"""Sealing the audit trail for tests."""

from datetime import datetime

from common import seals
from common.models import AuditSeal


def sealed(*, now: datetime) -> list[AuditSeal]:
    """The new seals; nobody is told of them."""
    return seals.seal_rows(now=now, tell=lambda seal: None)
