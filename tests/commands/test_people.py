"""The command `people`: accounts, roles, passwords and tokens without a shell."""

import json
from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.core.management import CommandError, call_command
from django.utils import timezone

from accounts.models import Session, User
from common.models import AuditEntry
from tests.conftest import Api, make_user, session_of
from tests.races import at_once
from tests.streams import make_stream

type People = Callable[..., dict[str, Any]]

REASON = ("--reason", "Joined the team.")
ROLES = {"moderator": "Moderators", "senior-moderator": "Senior moderators", "ops": "Ops"}


@pytest.fixture
def people(db: None) -> People:
    """Runs an action. Returns its facts."""
    return run


def run(*words: str) -> dict[str, Any]:
    output = StringIO()
    call_command("people", *words, "--json", stdout=output)
    facts: dict[str, Any] = json.loads(output.getvalue())
    return facts


def refused(*words: str) -> tuple[int, str]:
    with pytest.raises(CommandError) as raised:
        call_command("people", *words)
    return raised.value.returncode, str(raised.value)


def trail(user_id: str) -> list[tuple[str, str]]:
    rows = AuditEntry.objects.filter(target_id=user_id).order_by("pk")
    return list(rows.values_list("action", "entry_point"))


# --- create ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ROLES)
def test_create_makes_a_member_of_staff_with_a_password_that_works(role: str, people: People, api: Api) -> None:
    made = people("create", "ada", "--role", role, "--name", "Ada", "--email", "ada@example.com", *REASON)

    user = User.objects.get(username="ada")
    assert (user.pk, user.name, user.email, user.is_staff, user.is_superuser) == (
        made["id"],
        "Ada",
        "ada@example.com",
        True,
        False,
    )
    assert [group.name for group in user.groups.all()] == [ROLES[role]]
    assert (made["roles"], made["changed"], made["dry_run"]) == ([role], True, False)
    login = api().post("/api/v1/auth/login", {"username": "ada", "password": made["password"]})
    assert login.status_code == 200
    assert trail(user.pk) == [("create_user", "command"), ("grant_role", "command")]
    granted = AuditEntry.objects.get(action="grant_role")
    assert (granted.actor_id, granted.reason, granted.before) == (
        None,
        "Joined the team.",
        {"groups": [], "is_staff": False, "is_superuser": False},
    )
    assert granted.after == {"groups": [ROLES[role]], "is_staff": True, "is_superuser": False, "role": role}


def test_no_audit_row_has_the_password(people: People) -> None:
    made = people("create", "ada", "--role", "ops")
    changed = people("password", "ada")

    rows = json.dumps([[row.before, row.after, row.reason] for row in AuditEntry.objects.all()])
    assert made["password"] not in rows
    assert changed["password"] not in rows
    assert made["password"] != changed["password"]


def test_create_reads_a_password_and_checks_it(people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", StringIO("correct horse battery\n"))
    assert "password" not in people("create", "ada", "--stdin")
    assert User.objects.get(username="ada").check_password("correct horse battery")

    for text, message in (("\n", "is empty"), ("password\n", "too common")):
        monkeypatch.setattr("sys.stdin", StringIO(text))
        code, problem = refused("create", "eve", "--stdin")
        assert (code, message in problem) == (2, True), problem
    assert not User.objects.filter(username="eve").exists()


def test_create_without_a_password_makes_an_account_that_has_none(people: People) -> None:
    assert "password" not in people("create", "ada", "--without-password")
    assert not User.objects.get(username="ada").has_usable_password()


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["create", "viewer"], "username: viewer is taken"),
        (["create", "VIEWER"], "username: VIEWER is taken"),
        (["create", "a b"], "username: may have letters"),
        (["create", "ada", "--email", "nowhere"], "--email: Enter a valid email address."),
        (["create", "ada", "--role", "king"], "there is no group of this name"),
        (["create", "ada", "--role", "service-account", "--days", "0"], "--days: must be between 1 and 3650"),
        (["grant", "nobody", "ops"], "user: there is no nobody"),
        (["grant", "viewer", "king"], "there is no group of this name"),
    ],
)
def test_wrong_use_changes_nothing(words: list[str], problem: str, viewer: User) -> None:
    code, message = refused(*words)

    assert code == 2
    assert message.startswith(problem)
    assert list(User.objects.all()) == [viewer]
    assert not AuditEntry.objects.exists()


def test_of_two_that_create_the_same_account_at_once_one_does(transactional_db: None) -> None:
    def create(_number: int) -> str:
        try:
            return str(run("create", "ada")["id"])
        except CommandError as refusal:
            return str(refusal)

    made = at_once(2, create)

    assert sorted(made) == sorted([User.objects.get(username="ada").pk, "username: ada is taken"])


# --- roles ----------------------------------------------------------------------------------------


def test_grant_and_revoke_change_once_and_then_find_nothing_to_do(people: People, viewer: User) -> None:
    assert [people("grant", "viewer", "moderator")["changed"] for _ in range(2)] == [True, False]
    assert User.objects.get(pk=viewer.pk).is_staff
    assert [people("revoke", viewer.pk, "moderator")["changed"] for _ in range(2)] == [True, False]

    user = User.objects.get(pk=viewer.pk)
    assert (user.is_staff, user.groups.count()) == (False, 0)
    assert trail(viewer.pk) == [("grant_role", "command"), ("revoke_role", "command")]


def test_staff_with_another_role_or_permission_stays_staff(people: People, viewer: User) -> None:
    people("grant", "viewer", "moderator")
    people("grant", "viewer", "ops")
    assert people("revoke", "viewer", "moderator")["roles"] == ["ops"]
    assert User.objects.get(pk=viewer.pk).is_staff

    viewer.user_permissions.add(Group.objects.get(name="Moderators").permissions.all()[0])
    people("revoke", "viewer", "ops")
    assert User.objects.get(pk=viewer.pk).is_staff


def test_a_group_of_the_installation_is_a_role_of_staff(people: People, viewer: User) -> None:
    Group.objects.create(name="Editors")
    assert people("grant", "viewer", "Editors")["roles"] == ["Editors"]
    assert User.objects.get(pk=viewer.pk).is_staff


def test_the_last_superuser_stays(people: People, viewer: User) -> None:
    people("grant", "viewer", "superuser")
    user = User.objects.get(pk=viewer.pk)
    assert (user.is_staff, user.is_superuser) == (True, True)

    for words in (["revoke", "viewer", "superuser"], ["deactivate", "viewer"]):
        assert refused(*words) == (1, "nobody else is an active superuser; create one first")
    make_user("root", is_staff=True, is_superuser=True)
    assert people("revoke", "viewer", "superuser")["changed"]
    assert not User.objects.get(pk=viewer.pk).is_staff


def test_of_two_last_superusers_one_stays_if_both_are_deactivated_at_once(transactional_db: None) -> None:
    names = ["root", "boss"]
    for name in names:
        make_user(name, is_staff=True, is_superuser=True)

    def deactivate(number: int) -> str:
        try:
            return str(run("deactivate", names[number])["changed"])
        except CommandError as refusal:
            return str(refusal)

    results = at_once(2, deactivate)

    assert sorted(results) == ["True", "nobody else is an active superuser; create one first"]
    assert User.objects.filter(is_active=True).count() == 1


# --- activation and passwords ---------------------------------------------------------------------


def test_deactivation_ends_all_sessions_and_activation_allows_logins_again(
    people: People, viewer: User, api: Api
) -> None:
    client = api(viewer)
    assert client.get("/api/v1/users/me").status_code == 200

    assert [people("deactivate", "viewer", *REASON)["changed"] for _ in range(2)] == [True, False]
    assert client.get("/api/v1/users/me").status_code == 401
    assert [people("activate", "viewer")["changed"] for _ in range(2)] == [True, False]
    assert client.get("/api/v1/users/me").status_code == 401
    assert User.objects.get(pk=viewer.pk).is_active
    assert [action for action, _ in trail(viewer.pk)] == ["deactivate_user", "log_out", "activate_user"]


def test_a_new_password_ends_all_sessions(people: People, viewer: User) -> None:
    session = session_of(viewer)
    password = people("password", "viewer")["password"]

    assert User.objects.get(pk=viewer.pk).check_password(password)
    assert Session.objects.get(pk=session.pk).ended_at is not None
    assert trail(viewer.pk) == [("change_password", "command"), ("log_out", "command")]


@pytest.mark.parametrize(
    "words",
    [
        ["create", "ada", "--role", "service-account"],
        ["grant", "viewer", "ops"],
        ["deactivate", "viewer"],
        ["password", "viewer"],
    ],
)
def test_a_dry_run_changes_nothing_and_shows_no_secret(words: list[str], people: People, viewer: User) -> None:
    facts = people(*words, "--dry-run")

    assert (facts["dry_run"], facts["changed"]) == (True, True)
    assert (facts.get("password"), facts.get("token")) == (None, None)
    assert list(User.objects.values()) == list(User.objects.filter(pk=viewer.pk, is_active=True).values())
    assert not AuditEntry.objects.exists()
    assert not Session.objects.exists()


# --- tokens of servers ----------------------------------------------------------------------------


def test_the_account_of_a_server_has_a_token_that_may_read_revocations(people: People, creator: User, api: Api) -> None:
    made = people("create", "chat.server", "--role", "service-account", "--days", "90")
    user = User.objects.get(username="chat.server")
    assert (user.is_staff, user.has_usable_password()) == (False, False)
    assert "password" not in made

    client = api()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {made['token']}")
    assert client.get(f"/api/v1/live-stream/{make_stream(creator).pk}/revocations").status_code == 200
    session = Session.objects.get(pk=made["token_id"])
    assert session.expires_at - session.created_at == timedelta(days=90)
    issued = AuditEntry.objects.get(action="issue_token")
    assert (issued.target_id, issued.after["user"]) == (session.pk, user.pk)


def test_tokens_end_one_by_one_together_and_with_the_role(people: People, api: Api) -> None:
    def works(made: dict[str, Any]) -> bool:
        client = api()
        client.credentials(HTTP_AUTHORIZATION=f"Bearer {made['token']}")
        return bool(client.get("/api/v1/users/me").status_code == 200)

    first = people("create", "chat.server", "--role", "service-account")
    second = people("token", "chat.server")
    assert (works(first), works(second)) == (True, True)
    people("token", "chat.server", "--end", first["token_id"])
    assert (works(first), works(second)) == (False, True)
    assert refused("token", "chat.server", "--end", first["token_id"])[0] == 1
    third = people("token", "chat.server", "--end-others")
    assert (works(second), works(third)) == (False, True)
    people("revoke", "chat.server", "service-account")
    assert not works(third)
    assert refused("token", "chat.server") == (1, "only the account of a server has tokens; grant it the role first")


def test_nobody_else_gets_a_token(people: People, viewer: User) -> None:
    assert refused("token", "viewer")[0] == 1
    people("grant", "viewer", "service-account")
    people("deactivate", "viewer")
    assert refused("token", "viewer")[0] == 1


# --- show -----------------------------------------------------------------------------------------


def test_show_has_roles_and_sessions_and_no_secret(people: People, viewer: User) -> None:
    people("grant", "viewer", "moderator")
    session = session_of(viewer)
    ended = session_of(viewer)
    Session.objects.filter(pk=ended.pk).update(ended_at=timezone.now())

    facts = people("show", "viewer")

    assert (facts["id"], facts["roles"], facts["is_active"]) == (viewer.pk, ["moderator"], True)
    assert [each["id"] for each in facts["sessions"]] == [session.pk]
    output = StringIO()
    call_command("people", "show", viewer.pk, stdout=output)
    assert "roles: moderator" in output.getvalue()
    assert session.refresh_id not in output.getvalue() + json.dumps(facts)
    assert viewer.password not in output.getvalue() + json.dumps(facts)
