"""A banned viewer of a stream, and the staff who may review or only view the ban."""

from datetime import datetime
from typing import Any

import pytest

from accounts.models import User
from bans import services
from bans.models import LiveStreamBan
from livestreams.models import LiveStream
from tests.admin.bans.reviewing import CHAT_ONLY, HOUR, appeal, review
from tests.admin.conftest import join, permit
from tests.bans.people import make_ban
from tests.conftest import make_user
from tests.streams import make_stream


@pytest.fixture
def moderator(db: None) -> User:
    return join(make_user("moderator", is_staff=True), "Moderators")


@pytest.fixture
def reader(db: None) -> User:
    """Staff who may view bans and not review them, though they may change streams."""
    return permit(
        make_user("reader", is_staff=True), ("view_livestreamban", "change_livestreamban", "change_livestream")
    )


@pytest.fixture
def stream(creator: User) -> LiveStream:
    return make_stream(creator, "active", title="Gece sohbeti")


@pytest.fixture
def ban(viewer: User, stream: LiveStream) -> LiveStreamBan:
    return make_ban(viewer, stream, reason="spam")


@pytest.fixture
def all_kinds(creator: User, moderator: User, stream: LiveStream, now: datetime) -> LiveStream:
    """Seven bans on two streams, with the state of each as its username. Returns the second stream."""
    other = make_stream(make_user("host"), "active", title="Yoga")

    def banned(name: str, hours_ago: int, on: LiveStream = stream, **fields: Any) -> LiveStreamBan:
        return make_ban(make_user(name), on, now=now - hours_ago * HOUR, **fields)

    banned("fresh", 3)
    banned("silenced", 4, action_type=CHAT_ONLY)
    appealed = banned("appealed", 9)
    banned("ending", 5, expires_at=now + HOUR)
    banned("ended", 6, other, expires_at=now - HOUR)
    upheld, lifted = banned("upheld", 1, expires_at=now + 48 * HOUR), banned("lifted", 2, other)
    review(appealed, moderator, "upheld")
    review(upheld, moderator, "upheld")
    services.lift_ban(lifted.pk, by=lifted.created_by, now=now)
    appeal(appealed)
    return other
