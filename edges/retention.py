"""Retention of presence and revocations of streams that are over."""

from collections.abc import Iterator
from datetime import datetime

from django.conf import settings

from common.retention import Removal, Retention, remove_old_rows
from edges.models import Participant, Revocation
from livestreams.models import over_before


def kinds() -> Iterator[Retention]:
    yield Retention("participants", "STREAM_RECORD_RETENTION_DAYS", _remove_participants)
    yield Retention("revocations", "STREAM_RECORD_RETENTION_DAYS", _remove_revocations)


def _remove_participants(now: datetime, removal: Removal) -> None:
    before = now - settings.STREAM_RECORD_RETENTION
    remove_old_rows(Participant, removal, time="first_seen_at", before=before, due=over_before(before, "stream__"))


def _remove_revocations(now: datetime, removal: Removal) -> None:
    before = now - settings.STREAM_RECORD_RETENTION
    remove_old_rows(Revocation, removal, time="at", before=before, due=over_before(before, "stream__"))
