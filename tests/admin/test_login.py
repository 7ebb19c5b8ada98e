"""Login to the admin, and change of the own password."""

from typing import Any

from django.test import Client

from accounts.models import LoginCounter, Session, User
from common.models import AuditEntry
from tests.admin.conftest import Office
from tests.admin.pages import text_of
from tests.conftest import PASSWORD, session_of

LOGIN = "/admin/login/"
NEW = "a quite different horse"


def test_a_moderator_logs_in_with_username_and_password(client: Client, moderator: User) -> None:
    answer = client.post(LOGIN, {"username": moderator.username.upper(), "password": PASSWORD}, follow=True)

    assert answer.redirect_chain
    assert answer.wsgi_request.user == moderator


def test_failed_logins_are_limited_as_in_the_api_and_the_form_shows_it(client: Client, moderator: User) -> None:
    for _ in range(10):
        client.post(LOGIN, {"username": moderator.username, "password": "a guess"})

    answer = client.post(LOGIN, {"username": moderator.username, "password": PASSWORD})

    assert answer.status_code == 200
    assert "too many failed logins; try again in 5 minutes" in text_of(answer)
    assert set(LoginCounter.objects.values_list("count", flat=True)) == {10}


def test_a_changed_password_leaves_an_audit_row_and_ends_the_sessions_of_the_api(
    office: Office, moderator: User
) -> None:
    client = office(moderator)
    session = session_of(moderator)
    sent = {"old_password": PASSWORD, "new_password1": NEW, "new_password2": NEW}

    answer = client.post("/admin/password_change/", sent)

    assert answer.headers["Location"] == "/admin/password_change/done/"
    moderator.refresh_from_db()
    assert moderator.check_password(NEW)
    assert Session.objects.get(pk=session.pk).ended_at is not None
    entry = AuditEntry.objects.get(target_id=moderator.pk, action="change_password")
    assert (entry.entry_point, entry.actor_id, entry.before, entry.after) == ("admin", moderator.pk, {}, {})
    assert client.get("/admin/").status_code == 200, "who changed the password stays logged in here"


def change(client: Client, old: str, address: str = "192.0.2.1") -> Any:
    sent = {"old_password": old, "new_password1": NEW, "new_password2": NEW}
    return client.post("/admin/password_change/", sent, REMOTE_ADDR=address)


def log_in(client: Client, password: str, address: str = "192.0.2.1") -> Any:
    return client.post(LOGIN, {"username": "moderator", "password": password}, REMOTE_ADDR=address)


def test_wrong_old_passwords_are_limited_as_logins_are(office: Office, moderator: User) -> None:
    client = office(moderator)
    for _ in range(10):
        wrong = change(client, "a guess")
        assert wrong.context["form"].errors == {
            "old_password": ["Your old password was entered incorrectly. Please enter it again."]
        }

    answer = change(client, PASSWORD)

    assert answer.context["form"].errors == {"old_password": ["too many failed logins; try again in 5 minutes"]}
    moderator.refresh_from_db()
    assert moderator.check_password(PASSWORD)
    assert change(client, PASSWORD, "198.51.100.1").status_code == 302, "another address has a count of its own"


def test_the_password_form_and_the_login_count_together(office: Office, moderator: User) -> None:
    for _ in range(5):
        change(office(moderator), "a guess")
        log_in(Client(), "a guess")

    assert change(office(moderator), PASSWORD).status_code == 200
    assert "try again in 5 minutes" in text_of(log_in(Client(), PASSWORD))


def test_a_changed_password_resets_the_count_of_failures(office: Office, moderator: User) -> None:
    client = office(moderator)
    for _ in range(9):
        change(client, "a guess")

    assert change(client, PASSWORD).status_code == 302

    for _ in range(9):
        log_in(Client(), "a guess")
    assert log_in(Client(), NEW).status_code == 302


def test_a_weak_password_is_refused(office: Office, moderator: User) -> None:
    sent = {"old_password": PASSWORD, "new_password1": "password", "new_password2": "password"}

    answer = office(moderator).post("/admin/password_change/", sent)

    assert answer.status_code == 200
    moderator.refresh_from_db()
    assert moderator.check_password(PASSWORD)
