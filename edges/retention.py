"""Retention of presence, feedback, samples of viewers and revocations of streams that are over."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Model

from common.retention import Kept, Removal, Retention, remove_old_rows
from edges.models import Feedback, Participant, Revocation, ViewerSample
from livestreams.models import over_before


def kinds() -> Iterator[Retention | Kept]:
    yield _of_streams("participants", Participant, "PARTICIPANT", time="first_seen_at")
    yield _of_streams("feedback", Feedback, "FEEDBACK", time="created_at")
    yield _of_streams("viewer_samples", ViewerSample, "VIEWER_SAMPLE", time="at")
    yield _of_streams("revocations", Revocation, "REVOCATION", time="at")
    yield Kept("edges_viewercount", "until the stream is purged: one number of each stream, of nobody in particular")
    yield Kept("edges_streamstatistics", "until the stream is purged: numbers of nobody in particular")
    yield Kept("edges_feedbackcount", "until the stream is purged: numbers of nobody in particular")
    yield Kept("edges_creatoraudience", "until the creator had no viewers for a while; each counting removes them")
    yield Kept("edges_countingpass", "for ever: one row for each kind of counting")
    yield Kept("edges_joinkey", "until the next rotation after the last token of the key has expired")


def _of_streams(name: str, model: type[Model], setting: str, *, time: str) -> Retention:
    """The rows of streams that were over before the retention."""

    def remove(now: datetime, removal: Removal) -> None:
        kept: timedelta = getattr(settings, f"{setting}_RETENTION")
        before = now - kept
        remove_old_rows(model, removal, time=time, before=before, due=over_before(before, "stream__"))

    return Retention(name, f"{setting}_RETENTION_DAYS", (model._meta.db_table,), remove)
