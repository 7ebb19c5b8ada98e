"""A banned viewer of a stream, and the staff who may review or only view the ban."""

import pytest
from django.contrib.auth.models import Group

from accounts.models import User
from bans.models import LiveStreamBan
from livestreams.models import LiveStream
from tests.admin.conftest import permit
from tests.bans.people import make_ban
from tests.conftest import make_user
from tests.streams import make_stream


@pytest.fixture
def moderator(db: None) -> User:
    user = make_user("moderator", is_staff=True)
    user.groups.add(Group.objects.get(name="Moderators"))
    return User.objects.get(pk=user.pk)


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
