"""A ban of mia on a stream, and readers of the trail."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.utils import timezone

from accounts.models import User
from bans import services
from bans.models import LiveStreamBan
from livestreams.models import LiveStream
from tests.admin.conftest import permit
from tests.bans.people import make_ban
from tests.conftest import make_user
from tests.streams import make_stream

TRAIL = "/admin/common/auditentry/"
SEES_ALL = (
    "view_livestream", "view_user", "view_auditentry", "view_livestreamban", "view_reportcase", "export_auditentry",
)  # fmt: skip


@pytest.fixture
def defne(db: None) -> User:
    return permit(make_user("defne", is_staff=True), (*SEES_ALL, "moderate"))


@pytest.fixture
def mia(db: None) -> User:
    return make_user("mia", name="Mïa", surname="Öztürk")


@pytest.fixture
def stream(creator: User) -> LiveStream:
    return make_stream(creator, "active", title="Ask me anything", now=timezone.now() - timedelta(hours=2))


@pytest.fixture
def ban(mia: User, stream: LiveStream) -> LiveStreamBan:
    return make_ban(mia, stream, reason="Insults.")


@pytest.fixture
def lifted(ban: LiveStreamBan, mia: User, defne: User) -> LiveStreamBan:
    """Mia appealed, and defne lifted the ban."""
    services.appeal_ban(ban.pk, by=mia, now=timezone.now(), text="It was a joke.")
    return services.review_ban(
        ban.pk, by=defne, now=timezone.now(), verdict=LiveStreamBan.Review.LIFTED, reason="first offence"
    )


@pytest.fixture
def reader(defne: User) -> Client:
    client = Client()
    client.force_login(defne)
    return client


def without(user: User, *codenames: str) -> User:
    user.user_permissions.remove(*Permission.objects.filter(codename__in=codenames))
    return User.objects.get(pk=user.pk)


def at(moment: datetime, name: str) -> dict[str, str]:
    """The parameters of the filter of times for its end `name`: `from` or `to`."""
    local = timezone.localtime(moment)
    return {f"at_{name}_0": local.strftime("%Y-%m-%d"), f"at_{name}_1": local.strftime("%H:%M:%S")}


def listed(client: Client, **query: Any) -> list[str]:
    """The actions on the page, newest first."""
    page = client.get(TRAIL, query)
    assert page.status_code == 200, page.content
    return [entry.action for entry in page.context["cl"].result_list]
