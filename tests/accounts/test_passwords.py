"""Normalization of passwords: devices encode the same typed text in different ways."""

from datetime import datetime
from typing import Any
from unicodedata import normalize

import pytest
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import AbstractBaseUser
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError

from accounts import services
from accounts.models import User
from tests.conftest import Api, make_user
from tests.envelope import assert_refused, data_of
from tests.races import at_once

LOGIN = "/api/v1/auth/login"
COMPOSED = normalize("NFC", "şifre çok gizli é")
DECOMPOSED = normalize("NFD", COMPOSED)


def log_in(api: Api, password: str, username: str = "creator") -> Any:
    return api().post(LOGIN, {"username": username, "password": password})


@pytest.mark.parametrize(("chosen", "typed"), [(COMPOSED, DECOMPOSED), (DECOMPOSED, COMPOSED), ("a\u3000b", "a b")])
def test_a_password_is_accepted_in_every_normal_form(
    api: Api, creator: User, chosen: str, typed: str, now: datetime
) -> None:
    services.replace_password(creator, chosen, by=None, now=now)

    data_of(log_in(api, typed))
    data_of(log_in(api, chosen))


def test_a_changed_password_is_accepted_in_every_normal_form(api: Api, creator: User, now: datetime) -> None:
    services.replace_password(creator, COMPOSED, by=None, now=now)
    creator.refresh_from_db()

    services.change_own_password(creator, DECOMPOSED, f"{DECOMPOSED} 2", now=now)

    data_of(log_in(api, f"{COMPOSED} 2"))
    assert_refused(log_in(api, COMPOSED), 401, "wrong_credentials")


def test_compatibility_forms_and_case_stay_different_passwords(api: Api, creator: User, now: datetime) -> None:
    services.replace_password(creator, "ａbc defgh", by=None, now=now)

    for other in ("abc defgh", "Ａbc defgh"):
        assert_refused(log_in(api, other), 401, "wrong_credentials")


def test_a_hash_of_another_normal_form_is_accepted_and_replaced(api: Api, creator: User) -> None:
    User.objects.filter(pk=creator.pk).update(password=make_password(DECOMPOSED))  # as it was stored before

    assert_refused(log_in(api, COMPOSED), 401, "wrong_credentials")
    data_of(log_in(api, DECOMPOSED))

    data_of(log_in(api, COMPOSED))
    data_of(log_in(api, DECOMPOSED))


@pytest.mark.django_db(transaction=True)
def test_logins_at_once_that_replace_the_same_hash_all_succeed(creator: User, now: datetime) -> None:
    User.objects.filter(pk=creator.pk).update(password=make_password(DECOMPOSED))

    sessions = at_once(8, lambda _: services.log_in("creator", DECOMPOSED, now=now).pk)

    assert len(set(sessions)) == 8


@pytest.mark.parametrize(("password", "hashes"), [(COMPOSED, 1), ("plain ascii", 1), (DECOMPOSED, 2)])
def test_a_wrong_password_computes_as_many_hashes_for_known_as_for_unknown_usernames(
    creator: User, now: datetime, monkeypatch: pytest.MonkeyPatch, password: str, hashes: int
) -> None:
    hashed: list[str] = []
    check_password = AbstractBaseUser.check_password

    def checked(self: AbstractBaseUser, raw_password: str) -> bool:
        hashed.append(raw_password)
        return check_password(self, raw_password)

    monkeypatch.setattr(AbstractBaseUser, "check_password", checked)
    monkeypatch.setattr("accounts.services.logins.make_password", hashed.append)

    for name in ("creator", "nobody"):
        hashed.clear()
        with pytest.raises(services.WrongCredentials):
            services.log_in(name, password, now=now)
        assert len(hashed) == hashes


@pytest.mark.parametrize("password", ["tab\there", "zero\u200bwidth", "beep\x07sound", "mark\ufefffirst"])
def test_a_new_password_has_no_control_characters(creator: User, password: str, now: datetime) -> None:
    with pytest.raises(ValidationError, match="must not have control characters"):
        validate_password(password, creator)
    with pytest.raises(ValidationError):
        make_user("ada").set_password(password)


def test_an_old_password_with_control_characters_is_still_accepted(api: Api, creator: User) -> None:
    User.objects.filter(pk=creator.pk).update(password=make_password("tab\there long"))

    data_of(log_in(api, "tab\there long"))


def test_long_decomposed_names_and_passwords_are_not_too_long(api: Api, db: None, now: datetime) -> None:
    name, password = "한" * 150, "글" * 128
    services.create_user(name, password, by=None, now=now)

    data_of(log_in(api, normalize("NFD", password), normalize("NFD", name)))
