"""A stream and a person who is banned from it."""

import pytest

from accounts.models import User
from bans.models import LiveStreamBan
from livestreams.models import LiveStream
from tests.api.conftest import world  # noqa: F401 - a fixture
from tests.bans.people import make_ban
from tests.conftest import make_user
from tests.streams import make_stream


@pytest.fixture
def stream(creator: User) -> LiveStream:
    return make_stream(creator, "active")


@pytest.fixture
def ban(viewer: User, stream: LiveStream) -> LiveStreamBan:
    return make_ban(viewer, stream, reason="spam")


@pytest.fixture
def boss(db: None) -> User:
    """A superuser, who may overrule verdicts."""
    return make_user("boss", is_staff=True, is_superuser=True)
