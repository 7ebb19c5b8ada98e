"""What ends sessions of the admin, and which admin actions on sessions and accounts are offered."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.contrib.sessions.models import Session as AdminSession
from django.test import Client
from django.utils import timezone

from accounts import services
from accounts.models import User
from tests.admin.conftest import Office, permit
from tests.admin.pages import action_url, list_url, page_url
from tests.conftest import PASSWORD, Api, make_user
from tests.retaining import remove

HOME = "/admin/"
NEW = "a quite different horse"
REASON = {"reason": "Laptop was stolen."}


@pytest.fixture
def boss(db: None) -> User:
    return make_user("boss", is_staff=True, is_superuser=True)


def is_in(client: Client) -> bool:
    answer = client.get(HOME)
    assert answer.status_code in {200, 302}
    return answer.status_code == 200


def by_api_logout(user: User, boss: Client, api: Api) -> None:
    assert api(user).post("/api/v1/auth/logout").status_code == 200


def by_the_admin_action(user: User, boss: Client, api: Api) -> None:
    assert boss.post(action_url(user, "log_out"), REASON).status_code == 302


def by_deactivation(user: User, boss: Client, api: Api) -> None:
    assert boss.post(action_url(user, "deactivate_user"), REASON).status_code == 302


def by_deactivation_and_activation(user: User, boss: Client, api: Api) -> None:
    by_deactivation(user, boss, api)
    assert boss.post(action_url(user, "activate_user"), REASON).status_code == 302


def by_demotion(user: User, boss: Client, api: Api) -> None:
    User.objects.filter(pk=user.pk).update(is_staff=False)


def by_another_password(user: User, boss: Client, api: Api) -> None:
    other = Client()
    other.force_login(User.objects.get(pk=user.pk))
    sent = {"old_password": PASSWORD, "new_password1": NEW, "new_password2": NEW}
    assert other.post("/admin/password_change/", sent).status_code == 302
    assert is_in(other), "who changed the password stays logged in there"


ENDS = [
    by_api_logout,
    by_the_admin_action,
    by_deactivation,
    by_deactivation_and_activation,
    by_demotion,
    by_another_password,
]


@pytest.mark.parametrize("end", ENDS, ids=lambda end: end.__name__)
def test_each_end_of_a_users_sessions_ends_those_of_the_admin(
    end: Callable[[User, Client, Api], None], office: Office, moderator: User, boss: User, api: Api
) -> None:
    first, second, others = office(moderator), office(moderator), office(boss)
    assert is_in(first)
    assert is_in(second)

    end(moderator, others, api)

    assert not is_in(first)
    assert not is_in(second)
    assert is_in(others), "sessions of others stay"


def test_a_permission_that_is_withdrawn_is_missing_at_the_next_request(
    office: Office, moderator: User, creator: User
) -> None:
    client = office(moderator)
    assert client.get(list_url(User)).status_code == 200

    permit(moderator, ())

    assert client.get(list_url(User)).status_code == 403
    assert client.post(action_url(creator, "log_out"), REASON).status_code == 403


def test_a_new_login_works_after_all_sessions_were_ended(moderator: User, now: datetime) -> None:
    services.log_out(moderator, now=now)
    client = Client()

    client.post("/admin/login/", {"username": "moderator", "password": PASSWORD})

    assert is_in(client)


def test_ending_one_session_of_the_api_leaves_the_admin_alone(office: Office, moderator: User, api: Api) -> None:
    client = office(moderator)
    session = services.log_in("moderator", PASSWORD, now=timezone.now())

    services.revoke(session.pk, now=timezone.now())

    assert is_in(client)


def test_sessions_outlive_a_change_of_the_secret_key_but_not_an_end(
    office: Office, moderator: User, now: datetime, settings: Any
) -> None:
    staying, ended = office(moderator), office(moderator)
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another-key-of-sixty-characters-that-nobody-has-seen-before-now"

    assert is_in(staying)

    services.log_out(moderator, now=now)
    assert not is_in(ended)


def test_a_session_lasts_twelve_hours(moderator: User, now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    client = Client()
    answer = client.post("/admin/login/", {"username": "moderator", "password": PASSWORD})
    assert django_settings.SESSION_COOKIE_AGE == 12 * 3600
    assert answer.cookies["sessionid"]["max-age"] == 12 * 3600

    monkeypatch.setattr(timezone, "now", lambda: now + timedelta(hours=11, minutes=59))
    assert is_in(client), "reading pages does not prolong it, and it holds until then"
    monkeypatch.setattr(timezone, "now", lambda: now + timedelta(hours=12, minutes=1))
    assert not is_in(client)


def test_lapsed_sessions_are_purged(office: Office, moderator: User, now: datetime) -> None:
    staying = office(moderator)
    office(moderator)
    lapsed = AdminSession.objects.exclude(pk=staying.session.session_key).get()
    AdminSession.objects.filter(pk=lapsed.pk).update(expire_date=now - timedelta(seconds=1))

    assert remove("admin_sessions", now=now) == 1

    assert AdminSession.objects.get().pk == staying.session.session_key


# --- which admin actions are offered -----------------------------------------------------------------


def offered(client: Client, user: User) -> set[str]:
    page = client.get(page_url(user)).content.decode()
    return {action for action in ("log_out", "deactivate_user", "activate_user") if f"/{user.pk}/{action}/" in page}


def test_ending_sessions_is_offered_where_something_may_be_open(
    office: Office, moderator: User, creator: User, guest: User, viewer: User, stranger: User, now: datetime
) -> None:
    client = office(moderator)
    services.log_in("creator", PASSWORD, now=now)  # a session of the API
    User.objects.filter(pk=guest.pk).update(last_login=now - timedelta(hours=11))  # one of the admin
    User.objects.filter(pk=viewer.pk).update(identity_issuer="https://id.example", identity_subject="1")
    User.objects.filter(pk=stranger.pk).update(last_login=now - timedelta(hours=13))

    assert {user.username for user in (creator, guest, viewer, stranger) if "log_out" in offered(client, user)} == {
        "creator",
        "guest",
        "viewer",
    }


def test_deactivate_is_offered_for_active_and_activate_for_inactive_accounts(
    office: Office, moderator: User, creator: User
) -> None:
    client = office(moderator)
    assert offered(client, creator) == {"deactivate_user"}
    client.post(action_url(creator, "deactivate_user"), REASON)
    assert offered(client, creator) == {"activate_user"}


def test_neither_is_offered_for_oneself_nor_for_staff_but_to_superusers(
    office: Office, moderator: User, reader: User, boss: User
) -> None:
    assert not offered(office(moderator), moderator) & {"deactivate_user", "activate_user"}
    assert not offered(office(moderator), reader) & {"deactivate_user", "activate_user"}
    assert "deactivate_user" in offered(office(boss), moderator)
    assert "deactivate_user" not in offered(office(boss), boss)
