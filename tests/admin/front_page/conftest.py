"""Staff of each role, and what the front page shows them."""

import re
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import User
from bans import services
from bans.models import LiveStreamBan
from livestreams.models import LiveStream
from tests.admin import roles
from tests.admin.conftest import permit
from tests.bans.people import make_ban
from tests.conftest import make_user
from tests.streams import make_stream

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)

# Roles that see a part of the page. The others are those of the admin.
PARTS = {"viewer": ("view_livestream", "view_livestreamban"), "streams": ("view_livestream",)}


def member(role: str) -> User:
    return permit(make_user(f"staff-{role}", is_staff=True), PARTS[role]) if role in PARTS else roles.member(role)


def section(client: Client, name: str) -> str | None:
    """The visible text of a section, as the renewal gives it; None if the user has no such section."""
    html = client.get(reverse("admin:front_page_data")).json()["sections"].get(name)
    return None if html is None else " ".join(re.sub(r"<[^>]+>", " ", html).split())


def links(client: Client, name: str) -> list[str]:
    html = client.get(reverse("admin:front_page_data")).json()["sections"][name]
    return re.findall(r'href="([^"]+)"', html)


@pytest.fixture
def moderator(db: None) -> User:
    return member("moderator")


@pytest.fixture
def live(creator: User, now: datetime) -> LiveStream:
    return make_stream(creator, "active", now=now - 42 * MINUTE, title="Gece sohbeti")


@pytest.fixture
def later(guest: User, now: datetime) -> LiveStream:
    return make_stream(guest, now=now - 5 * HOUR, title="Yoga", planned_start_at=now + 30 * HOUR)


def banned(name: str, on: LiveStream, at: datetime, **fields: Any) -> LiveStreamBan:
    return make_ban(make_user(name), on, now=at, **fields)


def appealed(ban: LiveStreamBan, at: datetime) -> LiveStreamBan:
    services.appeal_ban(ban.pk, by=ban.target, now=at, text="It was not me.")
    return ban
