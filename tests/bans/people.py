"""Bans for tests, and who may make them."""

from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.models import Permission
from django.utils import timezone

from accounts.models import User
from bans import services
from bans.models import LiveStreamBan
from livestreams.models import LiveStream
from tests.conftest import make_user

BANS = "/api/v1/live-stream-ban"


def ban_url(ban: LiveStreamBan) -> str:
    return f"{BANS}/{ban.pk}"


def check_url(target: User, stream: LiveStream) -> str:
    return f"{BANS}/check/{target.pk}?liveStreamId={stream.pk}"


def permitted(username: str, codename: str) -> User:
    user = make_user(username)
    user.user_permissions.add(Permission.objects.get(codename=codename))
    return user


def make_ban(target: User, stream: LiveStream, *, now: datetime | None = None, **fields: Any) -> LiveStreamBan:
    """A ban that the creator of the stream made at `now`."""
    return services.ban_user(target.pk, stream.pk, by=stream.creator, now=now or timezone.now(), **fields)


def lapsed_ban(target: User, stream: LiveStream) -> LiveStreamBan:
    """A ban that ended a minute ago."""
    now = timezone.now()
    return make_ban(target, stream, now=now - timedelta(hours=1), expires_at=now - timedelta(minutes=1))
