"""Migration accounts.0003: usernames from before they were normalized."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from accounts.models import User
from common.fields import new_object_id

BEFORE, AFTER = "0002_login_limits_and_session_epoch", "0003_names"
INSERT = """
    INSERT INTO accounts_user (
        id, password, username, name, surname, email, availability_status, is_superuser, is_staff, is_active,
        created_at, updated_at, identity_issuer, identity_subject
    )
    VALUES (%s, '!', %s, '', '', '', 'offline', false, false, true, now(), now(), '', '')
"""

pytestmark = pytest.mark.django_db(transaction=True)


def migrate(*target: str) -> None:
    call_command("migrate", *target, verbosity=0)


@pytest.fixture
def old_schema() -> Iterator[None]:
    migrate("accounts", BEFORE)
    yield
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM accounts_user")
    migrate()


def old_user(username: str) -> str:
    pk = new_object_id()
    with connection.cursor() as cursor:
        cursor.execute(INSERT, [bytes.fromhex(pk), username])
    return pk


def columns() -> set[str]:
    with connection.cursor() as cursor:
        return {column.name for column in connection.introspection.get_table_description(cursor, "accounts_user")}


def test_names_are_normalized_in_batches_and_keep_their_owners(
    old_schema: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    names = {old_user(name): name for name in ["ada", "ＢＯＢ", "s\u0327eyma", "İREM", "673ac9e2a1b2c3d4e5f60718"]}
    names |= {old_user(f"kişi{number}"): f"kişi{number}" for number in range(2100)}

    migrate()

    stored = dict(User.objects.values_list("pk", "username"))
    assert set(stored) == set(names)
    keys = dict(User.objects.values_list("username", "username_key"))
    assert (
        keys.items() >= {"ada": "ada", "BOB": "bob", "şeyma": "şeyma", "İREM": "irem", "kişi2099": "kişi2099"}.items()
    )
    assert User.objects.get_by_natural_key("ｂｏｂ").username == "BOB"
    assert "username that looks like an id: 673ac9e2a1b2c3d4e5f60718" in capsys.readouterr().out


def test_clashes_are_named_and_nothing_is_changed(old_schema: None) -> None:
    first, second, other = old_user("admin"), old_user("ａｄｍｉｎ"), old_user("ＢＯＢ")

    with pytest.raises(CommandError) as refused:
        migrate()

    told = str(refused.value)
    assert (
        f"admin (id {first}), ａｄｍｉｎ (id {second})" in told
        or f"ａｄｍｉｎ (id {second}), admin (id {first})" in told
    )
    assert "UPDATE accounts_user SET username = 'another.name' WHERE id = '\\xTHE_ID';" in told
    assert "bob" not in told.lower()
    assert "username_key" not in columns()

    # As the message says.
    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE accounts_user SET username = 'another.name' WHERE id = '\\x{second}'")
    migrate()
    assert set(User.objects.values_list("pk", "username")) == {
        (first, "admin"),
        (second, "another.name"),
        (other, "BOB"),
    }


def test_a_migration_that_was_stopped_half_way_can_be_run_again(
    old_schema: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    names: Any = __import__("accounts.migrations.0003_names", fromlist=["fill_batch"])
    for number in range(10):
        old_user(f"KİŞİ{number}")
    monkeypatch.setattr(names, "UNFILLED", names.UNFILLED.replace("2000", "3"))
    fill_batch, calls = names.fill_batch, iter(range(100))

    def stopped(editor: Any) -> bool:
        if next(calls) == 2:
            raise KeyboardInterrupt
        return bool(fill_batch(editor))

    monkeypatch.setattr(names, "fill_batch", stopped)
    with pytest.raises(KeyboardInterrupt):
        migrate()
    assert "username_key" in columns()

    migrate()

    assert User.objects.filter(username_key__startswith="kişi").count() == 10
