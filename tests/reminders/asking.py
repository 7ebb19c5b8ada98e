"""Helpers for tests: the addresses of reminders and notifications, and functions that make them."""

from datetime import datetime

from django.utils import timezone

from accounts.models import User
from livestreams import services as streams
from livestreams.models import LiveStream
from reminders import services
from reminders.models import Notification
from tests.reminders.working import work
from tests.streams import STREAMS, stream_url

MINE = f"{STREAMS}/reminders"
NOTIFICATIONS = "/api/v2/notifications"


def reminder_url(stream: LiveStream) -> str:
    return stream_url(stream, "reminder")


def read_url(notification: Notification, version: str = "v1") -> str:
    return f"/api/{version}/notifications/{notification.pk}/read"


def remind(
    user: User, stream: LiveStream, *, minute: int | None = 15, now: datetime | None = None, language: str = "en"
) -> None:
    services.set_reminder(stream.pk, by=user, now=now or timezone.now(), minute=minute, language=language)


def notified_of_start(user: User, stream: LiveStream, now: datetime | None = None) -> Notification:
    """The notification of `user` when `stream`, which has not started, starts at `now`."""
    now = now or timezone.now()
    remind(user, stream, minute=None, now=now)
    streams.start_stream(stream.pk, by=stream.creator, now=now)
    work(now)
    return Notification.objects.get(user=user, stream=stream)
