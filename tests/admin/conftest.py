"""Staff, and clients that have logged in to the admin."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission
from django.test import Client
from pytest_django import DjangoDbBlocker

from accounts.models import User
from livestreams.models import LiveStream
from tests.admin.rows import make_rows
from tests.browser import browser_type_launch_args  # noqa: F401 - a fixture
from tests.conftest import make_user
from tests.databases import rolled_back
from tests.streams import make_stream

VIEW_PERMISSIONS = (
    "view_livestream", "view_user", "view_auditentry",
    "view_reminder", "view_round", "view_chunk", "view_delivery",
)  # fmt: skip
CHANGE_PERMISSIONS = (*VIEW_PERMISSIONS, "change_livestream", "change_user", "change_delivery")

type Office = Callable[[User], Client]


@pytest.fixture(scope="session")
def browser_context_args(browser_context_args: dict[str, Any]) -> dict[str, Any]:
    """Wide enough for the menu, which narrower screens hide."""
    return {**browser_context_args, "viewport": {"width": 1440, "height": 900}}


def permit(user: User, codenames: tuple[str, ...]) -> User:
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    return User.objects.get(pk=user.pk)


def join(user: User, group: str) -> User:
    """The user as a member of this group, which migrations make."""
    user.groups.add(Group.objects.get(name=group))
    return User.objects.get(pk=user.pk)


@pytest.fixture(scope="module")
def populated(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[LiveStream]:
    """A stream, with at least one row of each model of the admin. All tests of a module share them."""
    with rolled_back(django_db_blocker):
        stream = make_stream(make_user("creator"), guest=make_user("guest"))
        make_rows(stream)
        yield stream


@pytest.fixture
def moderator(db: None) -> User:
    return permit(make_user("moderator", is_staff=True), CHANGE_PERMISSIONS)


@pytest.fixture
def reader(db: None) -> User:
    """Staff who may view and not change."""
    return permit(make_user("reader", is_staff=True), VIEW_PERMISSIONS)


@pytest.fixture
def office() -> Office:
    """Returns a client that has logged in to the admin as `user`."""

    def logged_in(user: User) -> Client:
        client = Client()
        client.force_login(user)
        return client

    return logged_in
