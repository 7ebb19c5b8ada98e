"""Users that are created from the identity provider's claims: their usernames and email addresses, and races."""

import time
from datetime import datetime
from typing import Any

import pytest

from accounts import services
from accounts.models import User
from common.models import AuditEntry
from tests.accounts.identity_provider import ISSUER, Provider, me, token
from tests.conftest import Api, make_user
from tests.envelope import data_of
from tests.races import at_once


def claims(**given: Any) -> dict[str, Any]:
    return {"iss": ISSUER, "sub": "person-1"} | given


@pytest.mark.parametrize(
    ("given", "username"),
    [
        ({"preferred_username": "ada"}, "ada"),
        ({"preferred_username": "Ada Lovelace!"}, "AdaLovelace"),
        ({"preferred_username": "çağrı"}, "çağrı"),
        ({"preferred_username": "  ", "nickname": "countess"}, "countess"),
        ({"preferred_username": 7, "email": "ada@example.com"}, "ada"),
        ({"preferred_username": "\0\n"}, "person-1"),
        ({"preferred_username": "x" * 500}, "x" * 150),
        ({}, "person-1"),
    ],
)
def test_the_username_is_the_first_usable_claim(db: None, now: datetime, given: dict[str, Any], username: str) -> None:
    user = services.user_of_identity(claims(**given), now=now)

    assert user.username == username
    user.full_clean(exclude=["password"])


def test_a_subject_without_an_allowed_character_gets_a_random_username(db: None, now: datetime) -> None:
    user = services.user_of_identity(claims(sub="||"), now=now)

    assert user.username.startswith("user-")


def test_a_taken_username_gets_a_random_suffix_and_its_owner_keeps_it(db: None, now: datetime) -> None:
    owner = make_user("Ada")

    user = services.user_of_identity(claims(preferred_username="ada"), now=now)

    assert user.pk != owner.pk
    assert user.username.startswith("ada-")


def test_an_invalid_email_is_dropped(db: None, now: datetime) -> None:
    assert services.user_of_identity(claims(email="nonsense"), now=now).email == ""


@pytest.mark.django_db(transaction=True)
def test_twenty_concurrent_first_tokens_create_one_user(api: Api, provider: Provider) -> None:
    make_user("ada")
    answers = at_once(20, lambda number: me(api, token(exp=int(time.time()) + 600 + number)))

    assert len({data_of(answer)["_id"] for answer in answers}) == 1
    assert User.objects.exclude(username="ada").count() == 1
    assert AuditEntry.objects.filter(action="create_user").count() == 1
