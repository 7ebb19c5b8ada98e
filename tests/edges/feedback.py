"""Streams that viewers watched, and their feedback, for tests."""

from datetime import datetime, timedelta

from django.utils import timezone

from accounts.models import User
from edges import services
from edges.models import Feedback
from livestreams.models import LiveStream, Status
from livestreams.services import end_stream
from tests.streams import make_stream, stream_url


def feedback_url(stream: LiveStream) -> str:
    return stream_url(stream, "feedback")


def watched(creator: User, *viewers: User, ended: bool = True) -> LiveStream:
    """A stream that began half an hour ago and that these users joined as audience."""
    now = timezone.now()
    stream = make_stream(creator, Status.ACTIVE, now=now - timedelta(minutes=30))
    for viewer in viewers:
        services.admit(viewer, stream.pk, status="active", role="audience", restriction=None, now=now)
    return end_stream(stream.pk, by=creator, now=now) if ended else stream


def gave(
    viewer: User, stream: LiveStream, rating: int, *, comment: str | None = None, now: datetime | None = None
) -> Feedback:
    return services.give_feedback(stream.pk, by=viewer, now=now or timezone.now(), rating=rating, comment=comment)
