"""Usernames: which are allowed, which are equal, and which look like those of the staff."""

from datetime import datetime
from typing import Any
from unicodedata import normalize

import pytest
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.db import IntegrityError, transaction
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from accounts import doctor, names, services
from accounts.models import User
from bans.models import LiveStreamBan
from bans.services import ban_many
from common.models import AuditEntry
from common.refusals import Invalid
from tests.conftest import PASSWORD, Api, make_user
from tests.envelope import assert_refused, data_of
from tests.streams import make_stream

LOGIN = "/api/v1/auth/login"
BANS = "/api/v1/live-stream-ban"
# Equivalent forms of one username; the first is the one that is stored.
SAME = [
    ("şeyma", "s\u0327eyma"),
    ("rené", "RENE\u0301"),
    ("admin", "ａｄｍｉｎ"),
    ("irem", "İREM"),
    ("irem", "İrem"),
    ("irem", "IREM"),
    ("straße", "STRASSE"),
    ("κοσμος", "ΚΟΣΜΟΣ"),
    ("ｶﾞ", "ガ"),
    ("विद्या", "विद्या"),
    ("한글", "\u1112\u1161\u11ab\u1100\u1173\u11af"),
]
OTHERS = [("irem", "ırem"), ("isik", "ışık"), ("ada", "adá"), ("resume", "résumé"), ("विद्या", "वदय")]


@pytest.mark.parametrize(("name", "written"), SAME)
def test_a_username_is_taken_in_all_equivalent_forms(db: None, now: datetime, name: str, written: str) -> None:
    services.create_user(name, None, by=None, now=now)

    with pytest.raises(IntegrityError), transaction.atomic():
        services.create_user(written, None, by=None, now=now)


@pytest.fixture
def office(db: None) -> Client:
    """The browser of a superuser in the admin."""
    client = Client()
    client.force_login(make_user("boss", is_staff=True, is_superuser=True))
    return client


@pytest.mark.parametrize(("name", "written"), SAME)
def test_a_username_is_found_by_all_equivalent_forms(
    api: Api, creator: User, office: Client, name: str, written: str, now: datetime
) -> None:
    for stored, typed in ((name, written), (written, name)):
        with transaction.atomic():
            user = make_user(stored)
            stream = make_stream(creator)

            assert data_of(api().post(LOGIN, {"username": typed, "password": PASSWORD}))["user"]["_id"] == user.pk

            batch = ban_many(stream.pk, [typed], by=creator, now=now)
            assert [result.target_id for result in batch.results] == [user.pk]
            found = data_of(api(creator).get(BANS, {"targetUser": typed}))["list"]
            assert [ban["targetUserId"] for ban in found] == [user.pk]

            assert User.objects.get_by_natural_key(typed) == user
            assert user.username == normalize("NFKC", stored)
            for page in ("accounts/user", "bans/livestreamban"):
                text = office.get(f"/admin/{page}/", {"q": typed}).content.decode()
                assert user.username in text.split("<tbody", 1)[1]
            transaction.set_rollback(True)


@pytest.mark.parametrize(("one", "other"), OTHERS)
def test_different_usernames_have_different_keys(db: None, one: str, other: str) -> None:
    assert make_user(one).pk != make_user(other).pk
    assert User.objects.get_by_natural_key(other).username == other


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("a b", names.Rule.CHARACTERS),
        ("a/b", names.Rule.CHARACTERS),
        ("a\u200bb", names.Rule.CHARACTERS),
        ("a\u202eb", names.Rule.CHARACTERS),
        ("a\u200db", names.Rule.CHARACTERS),
        ("a\nb", names.Rule.CHARACTERS),
        ("😀", names.Rule.CHARACTERS),
        ("\u3164", names.Rule.CHARACTERS),
        ("\u0301a", names.Rule.MARK),
        ("שלום.a", names.Rule.DIRECTION),
        ("673ac9e2a1b2c3d4e5f60718", names.Rule.ID),
        ("673AC9E2A1B2C3D4E5F60718", names.Rule.ID),
        ("６73ac9e2a1b2c3d4e5f60718", names.Rule.ID),
        ("x" * 151, "Ensure this value has at most 150 characters (it has 151)."),
        ("", "This field cannot be blank."),
    ],
)
def test_a_name_that_is_not_allowed_is_refused_with_its_rule(db: None, now: datetime, name: str, rule: Any) -> None:
    with pytest.raises(Invalid) as refused:
        services.create_user(name, None, by=None, now=now)
    assert refused.value.reasons == [f"username: {rule}"]

    with pytest.raises(CommandError):
        call_command("createsuperuser", "--noinput", username=name)
    with pytest.raises(ValidationError):
        User(username=name, password="!").full_clean()
    assert not User.objects.exists()


@pytest.mark.parametrize(
    "name", ["विद्या", "ไทย", "กำ", "שלום-99", "דָּוִד", "ada.lovelace+1@x-y_z", "漢字", "l·l", "دانش\u200cآموز"]
)
def test_a_name_in_any_script_is_stored_and_found_as_it_is(db: None, now: datetime, name: str) -> None:
    user = services.create_user(name, None, by=None, now=now)

    assert user.username == normalize("NFKC", name)
    assert User.objects.get_by_natural_key(name) == user


@given(st.text(max_size=30))
def test_the_key_of_a_key_is_itself_and_does_not_depend_on_the_form(text: str) -> None:
    key = names.normalized(text)

    assert names.normalized(key) == key
    for form in ("NFC", "NFD", "NFKC", "NFKD"):
        assert names.normalized(normalize(form, text)) == key


@given(st.text(max_size=200))
def test_the_usable_part_of_any_text_is_a_valid_username(text: str) -> None:
    if part := names.usable_part(text):
        names.validate(part)
        assert len(part) <= names.LONGEST
        assert names.stored(part) == part


def test_every_way_to_save_a_username_saves_its_key(creator: User) -> None:
    creator.username = "ＡＤＡ"
    creator.save(update_fields=["username"])
    stored = User.objects.get(pk=creator.pk)
    assert (stored.username, stored.username_key) == ("ADA", "ada")

    User.objects.filter(pk=creator.pk).update(username="Ｂob")
    stored = User.objects.get(pk=creator.pk)
    assert (stored.username, stored.username_key) == ("Bob", "bob")

    (made,) = User.objects.bulk_create([User(username="Ｃarl", password="!")])
    stored = User.objects.get(pk=made.pk)
    assert (stored.username, stored.username_key) == ("Carl", "carl")


# --- names that look like ids ---------------------------------------------------------------------


def test_a_ban_by_a_text_that_looks_like_an_id_bans_the_user_with_that_id(
    api: Api, creator: User, viewer: User, stranger: User, now: datetime
) -> None:
    # Stored directly, as from before such usernames were refused.
    User.objects.filter(pk=stranger.pk).update(username=viewer.pk)
    stream = make_stream(creator)

    for sent in (viewer.pk, viewer.pk.upper()):
        batch = ban_many(stream.pk, [sent], by=creator, now=now, dry_run=True)
        assert [result.target_id for result in batch.results] == [viewer.pk]

    ban_many(stream.pk, [viewer.pk], by=creator, now=now)
    assert LiveStreamBan.objects.get().target_id == viewer.pk
    (found,) = data_of(api(creator).get(BANS, {"targetUser": viewer.pk.upper()}))["list"]
    assert found["targetUserId"] == viewer.pk


def test_the_doctor_names_usernames_that_look_like_ids(viewer: User) -> None:
    assert [finding.code for finding in doctor.examine()] == []
    User.objects.filter(pk=viewer.pk).update(username="673ac9e2a1b2c3d4e5f60718")

    (finding,) = doctor.examine()
    assert finding.code == "usernames_like_ids"
    assert f"673ac9e2a1b2c3d4e5f60718 (id {viewer.pk})" in finding.meaning


# --- names that look like the staff's -------------------------------------------------------------

LOOK_ALIKES = ["аdmin", "АDMIN", "adrnin", "admın", "ADMlN", "αdmin", "аԁmіn"]
NO_LOOK_ALIKES = ["admin2", "adm", "yonetici", "ádmin", "админ"]


@pytest.fixture
def admin(db: None) -> User:
    return make_user("admin", is_staff=True)


@pytest.mark.parametrize("name", LOOK_ALIKES)
def test_a_look_alike_of_a_staff_name_is_refused(admin: User, now: datetime, name: str) -> None:
    with pytest.raises(Invalid) as refused:
        services.create_user(name, None, by=None, now=now)
    assert refused.value.reasons == ["username: looks like the name of a member of staff"]

    with pytest.raises(CommandError, match="looks like the name"):
        call_command("createsuperuser", "--noinput", username=name)


@pytest.mark.parametrize("name", NO_LOOK_ALIKES)
def test_other_names_are_allowed_beside_a_staff_name(admin: User, now: datetime, name: str) -> None:
    assert services.create_user(name, None, by=None, now=now).username == name


@pytest.mark.parametrize("name", LOOK_ALIKES)
def test_a_look_alike_of_somebody_else_is_allowed(db: None, now: datetime, name: str) -> None:
    make_user("admin")

    assert services.create_user(name, None, by=None, now=now).username == name


@pytest.mark.parametrize("name", [*LOOK_ALIKES, "admin", "ａｄｍｉｎ"])
def test_a_user_of_the_provider_gets_no_username_that_looks_like_staff(admin: User, now: datetime, name: str) -> None:
    claims = {"iss": "https://id.example", "sub": "1", "preferred_username": name}

    user = services.user_of_identity(claims, now=now)

    assert user.username.startswith(f"{names.stored(name)}-")


@pytest.mark.parametrize(
    ("claims", "username"),
    [
        ({"preferred_username": "विद्या"}, "विद्या"),
        ({"preferred_username": "s\u0327eyma"}, "şeyma"),
        ({"preferred_username": "ａｄａ!"}, "ada"),
        ({"preferred_username": "\u0301ada"}, "ada"),
        ({"preferred_username": "673ac9e2a1b2c3d4e5f60718", "nickname": "x", "email": "ada@example.com"}, "ada"),
        ({"preferred_username": "שלום a", "email": "david@example.com"}, "david"),
        ({"preferred_username": "😀ada\u200b"}, "ada"),
    ],
)
def test_claims_keep_the_letters_and_marks_of_a_name(
    db: None, now: datetime, claims: dict[str, Any], username: str
) -> None:
    user = services.user_of_identity({"iss": "https://id.example", "sub": "1"} | claims, now=now)

    assert user.username == username


def test_a_taken_right_to_left_username_gets_a_suffix_too(db: None, now: datetime) -> None:
    make_user("שלום")

    user = services.user_of_identity({"iss": "i", "sub": "1", "preferred_username": "שלום"}, now=now)

    assert user.username.startswith("שלום-")
    names.validate(user.username)


def test_the_doctor_lists_look_alikes_of_users_who_became_staff_later(db: None, now: datetime) -> None:
    admin, fake = make_user("admin"), make_user("аdmin")
    User.objects.filter(pk=admin.pk).update(is_staff=True)

    (finding,) = doctor.examine()
    assert finding.code == "usernames_like_staff"
    assert f"аdmin (id {fake.pk}) like admin" in finding.meaning


# --- renaming -------------------------------------------------------------------------------------


def test_renaming_leaves_an_audit_row_and_the_new_name_logs_in(api: Api, viewer: User) -> None:
    call_command("rename_user", viewer.pk, "Ａda", "--reason", "looked like staff")

    assert data_of(api().post(LOGIN, {"username": "ada", "password": PASSWORD}))["user"]["username"] == "Ada"
    assert_refused(api().post(LOGIN, {"username": "viewer", "password": PASSWORD}), 401, "wrong_credentials")
    entry = AuditEntry.objects.get(action="rename_user")
    assert (entry.before, entry.after, entry.reason) == (
        {"username": "viewer"},
        {"username": "Ada"},
        "looked like staff",
    )


@pytest.mark.parametrize("name", ["аdmin", "GUEST", "a b", "673ac9e2a1b2c3d4e5f60718"])
def test_renaming_applies_the_same_rules(admin: User, viewer: User, guest: User, name: str) -> None:
    with pytest.raises(CommandError) as refused:
        call_command("rename_user", "viewer", name)

    assert refused.value.returncode == 2
    assert str(refused.value).startswith("username: ")
    assert User.objects.get(pk=viewer.pk).username == "viewer"


def test_renaming_an_unknown_user_and_a_dry_run_change_nothing(viewer: User) -> None:
    with pytest.raises(CommandError):
        call_command("rename_user", "nobody", "ada")
    call_command("rename_user", "viewer", "ada", "--dry-run")

    assert User.objects.get().username == "viewer"
    assert not AuditEntry.objects.filter(action="rename_user").exists()
