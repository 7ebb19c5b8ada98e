"""Streams for tests, brought by the services into the state that a test asks for."""

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.utils import timezone

from accounts.models import User
from livestreams import services
from livestreams.models import GuestStatus, LiveStream, Status

STREAMS = "/api/v1/live-stream"


def stream_url(stream: LiveStream, action: str = "") -> str:
    return f"{STREAMS}/{stream.pk}" + (f"/{action}" if action else "")


def make_stream(
    creator: User,
    status: str = "scheduled",
    *,
    now: datetime | None = None,
    guest: User | None = None,
    answer: str = "invited",
    **fields: Any,
) -> LiveStream:
    """A stream of `creator` that gets into `status` at `now`. With `guest`, a duo whose guest has given `answer`."""
    now = now or timezone.now()
    if status == Status.CANCELLED_BY_GUEST and guest is None:
        guest = User.objects.create_user(f"guest-of-{creator.username}-{User.objects.count()}")
    defaults: dict[str, Any] = {"title": "Evening talk", "type": "duocrowd" if guest else "solo"}
    if status != Status.PREPARING:
        defaults["planned_start_at"] = now + timedelta(hours=1)
    if status == Status.EXPIRED:
        defaults["planned_start_at"] = now - settings.NO_SHOW_GRACE
    stream = services.create_stream(by=creator, now=now, guest=guest.pk if guest else None, **defaults | fields)
    if guest:
        stream = answered(stream, guest, answer, now=now)
    match Status(status):
        case Status.ACTIVE:
            stream = services.start_stream(stream.pk, by=creator, now=now)
        case Status.ENDED:
            services.start_stream(stream.pk, by=creator, now=now)
            stream = services.end_stream(stream.pk, by=creator, now=now + timedelta(minutes=30))
        case Status.CANCELLED_BY_HOST:
            stream = services.cancel_stream(stream.pk, by=creator, now=now)
        case Status.CANCELLED_BY_GUEST:
            stream = services.cancel_stream(stream.pk, by=guest, now=now)
        case Status.EXPIRED:
            assert services.expire_stream(stream.pk, now=now)
            stream.refresh_from_db()
    assert stream.status == status
    return stream


def answered(stream: LiveStream, guest: User, answer: str, *, now: datetime | None = None) -> LiveStream:
    """The stream after its guest has given this answer. With `invited` there is no answer yet."""
    answers = {GuestStatus.ACCEPTED: services.accept_guest, GuestStatus.DECLINED: services.decline_guest}
    if answer == GuestStatus.INVITED:
        return stream
    return answers[GuestStatus(answer)](stream.pk, by=guest, now=now or timezone.now())
