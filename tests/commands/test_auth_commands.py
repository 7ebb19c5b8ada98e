"""Django's commands for accounts leave audit rows and end sessions, as the services do."""

import getpass
from collections.abc import Iterator

import pytest
from django.core.management import CommandError, call_command, get_commands

from accounts.models import Session, User
from common.models import AuditEntry
from tests.conftest import session_of


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the prompts for passwords get, one after the other."""
    words: list[str] = []
    answers: Iterator[str] = iter(words)
    monkeypatch.setattr(getpass, "getpass", lambda *_, **__: next(answers))
    return words


@pytest.mark.parametrize("command", ["createsuperuser", "changepassword"])
def test_the_commands_of_django_are_replaced(command: str) -> None:
    assert get_commands()[command] == "accounts"


def test_createsuperuser_leaves_an_audit_row(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", "correct horse battery")
    call_command("createsuperuser", "--noinput", username="Root", verbosity=0)

    user = User.objects.get(username="Root")
    assert (user.is_staff, user.is_superuser, user.check_password("correct horse battery")) == (True, True, True)
    row = AuditEntry.objects.get()
    assert (row.action, row.target_id, row.actor_id, row.entry_point) == ("create_user", user.pk, None, "command")
    assert row.after == {"username": "Root", "is_staff": True, "is_superuser": True}


def test_createsuperuser_refuses_a_name_that_is_taken(viewer: User) -> None:
    with pytest.raises(CommandError, match="already taken"):
        call_command("createsuperuser", "--noinput", username="VIEWER")
    assert not AuditEntry.objects.exists()


def test_changepassword_ends_sessions_and_leaves_audit_rows(viewer: User, typed: list[str]) -> None:
    session = session_of(viewer)
    typed += ["another battery staple"] * 2
    call_command("changepassword", "VIEWER")

    user = User.objects.get(pk=viewer.pk)
    assert user.check_password("another battery staple")
    assert user.session_epoch == viewer.session_epoch + 1
    assert Session.objects.get(pk=session.pk).ended_at is not None
    assert list(AuditEntry.objects.order_by("pk").values_list("action", flat=True)) == ["change_password", "log_out"]


def test_changepassword_gives_up_after_three_wrong_tries(viewer: User, typed: list[str]) -> None:
    typed += ["one", "other", "password", "password", "short", "short"]
    with pytest.raises(CommandError, match="after 3 attempts"):
        call_command("changepassword", "viewer")
    assert User.objects.get(pk=viewer.pk).password == viewer.password
    assert not AuditEntry.objects.exists()


def test_changepassword_of_nobody_ends_with_2(db: None) -> None:
    with pytest.raises(CommandError) as raised:
        call_command("changepassword", "nobody")
    assert raised.value.returncode == 2
