"""Retention of presence, feedback, samples of viewers and revocations of streams that are over."""

from collections.abc import Iterator
from datetime import datetime

from django.conf import settings
from django.db.models import Model

from common.retention import Removal, Retention, remove_old_rows
from edges.models import Feedback, Participant, Revocation, ViewerSample
from livestreams.models import over_before


def kinds() -> Iterator[Retention]:
    yield _of_streams("participants", Participant, time="first_seen_at")
    yield _of_streams("feedback", Feedback, time="created_at")
    yield _of_streams("viewer_samples", ViewerSample, time="at")
    yield _of_streams("revocations", Revocation, time="at")


def _of_streams(name: str, model: type[Model], *, time: str) -> Retention:
    """The rows of streams that were over before the retention."""

    def remove(now: datetime, removal: Removal) -> None:
        before = now - settings.STREAM_RECORD_RETENTION
        remove_old_rows(model, removal, time=time, before=before, due=over_before(before, "stream__"))

    return Retention(name, "STREAM_RECORD_RETENTION_DAYS", remove)
