"""Access tokens of the platform's own identity provider: which are accepted, and which user they name."""

import time
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from accounts import services
from accounts.models import User
from common.models import AuditEntry
from tests.accounts.identity_provider import (
    EC_KEY,
    ISSUER,
    ME,
    RSA_KEY,
    STRANGE_KEY,
    Provider,
    me,
    pem_of,
    signed_with_the_public_key,
    token,
    unsigned,
)
from tests.conftest import Api
from tests.envelope import assert_refused, data_of


def test_a_user_is_created_from_the_claims_of_the_first_token(api: Api, provider: Provider) -> None:
    data = data_of(me(api, token()))

    assert (data["username"], data["name"], data["surname"]) == ("ada", "Ada", "Lovelace")
    assert data["email"] == "ada@example.com"
    user = User.objects.get()
    assert (user.identity_issuer, user.identity_subject) == (ISSUER, "person-1")
    assert not user.has_usable_password()
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.target_id, entry.entry_point) == ("create_user", user.pk, "api")


def test_the_same_user_is_found_again_and_keys_are_fetched_once(api: Api, provider: Provider) -> None:
    first = data_of(me(api, token()))
    second = data_of(me(api, token(exp=int(time.time()) + 700)))

    assert first["_id"] == second["_id"]
    assert AuditEntry.objects.count() == 1
    assert provider.asked == 1


def test_authentication_of_a_known_user_runs_one_statement(
    api: Api, provider: Provider, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    text = token()
    data_of(me(api, text))

    with django_assert_num_queries(2):  # the person, the profile
        data_of(me(api, text))


def test_es256_is_accepted_too(api: Api, provider: Provider) -> None:
    data_of(me(api, token(EC_KEY, "ec", "ES256")))


def test_our_own_tokens_are_accepted_beside_those_of_the_provider(api: Api, provider: Provider, creator: User) -> None:
    assert data_of(api(creator).get(ME))["_id"] == creator.pk


BAD = {
    "wrong audience": lambda: token(aud="somebody-else"),
    "no audience": lambda: token(aud=None),
    "no subject": lambda: token(sub=None),
    "empty subject": lambda: token(sub=""),
    "subject too long to keep": lambda: token(sub="x" * 201),
    "subject with a null character": lambda: token(sub="a\0b"),
    "no time of issue": lambda: token(iat=None),
    "issued in the future": lambda: token(iat=int(time.time()) + 60),
    "no expiry": lambda: token(exp=None),
    "not in force yet": lambda: token(nbf=int(time.time()) + 60),
    "another signer": lambda: token(STRANGE_KEY),
    "key id of another kind of key": lambda: token(EC_KEY, "rsa", "ES256"),
    "key of another kind than the algorithm": lambda: token(RSA_KEY, "ec", "RS256"),
    "algorithm that is not allowed": lambda: token(algorithm="PS256"),
    "unknown key id": lambda: token(kid="made-up"),
    "no signature": unsigned,
    "public key as shared secret": signed_with_the_public_key,
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD.keys())
def test_an_invalid_token_is_refused_and_creates_no_user(api: Api, provider: Provider, bad: Any) -> None:
    assert_refused(me(api, bad()), 401, "token_invalid", "the access token is not valid")
    assert not User.objects.exists()


@pytest.mark.parametrize("key_from", ["jwks", "pem"])
def test_a_wrong_issuer_is_refused_without_asking_the_provider(
    api: Api, provider: Provider, key_from: str, settings: Any
) -> None:
    if key_from == "pem":
        settings.IDENTITY_JWKS_URL, settings.IDENTITY_PUBLIC_KEY = "", pem_of(RSA_KEY)

    assert_refused(me(api, token(iss="https://elsewhere.example/")), 401, "token_invalid")
    assert provider.asked == 0


def test_an_expired_token_is_refused_as_expired(api: Api, provider: Provider) -> None:
    assert_refused(me(api, token(exp=int(time.time()) - 1)), 401, "token_expired")


def test_a_cached_token_still_expires(
    api: Api, provider: Provider, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = token()
    data_of(me(api, text))

    monkeypatch.setattr(timezone, "now", lambda: now + timedelta(minutes=11))

    assert_refused(me(api, text), 401, "token_expired")


# --- logging out ----------------------------------------------------------------------------------


def test_after_logout_tokens_issued_before_it_are_refused_and_later_ones_are_not(
    api: Api, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = token()
    logout = api().post("/api/v1/auth/logout", HTTP_AUTHORIZATION=f"Bearer {before}")
    data_of(logout)

    assert_refused(me(api, before), 401, "session_ended")
    assert_refused(me(api, token(iat=int(time.time()) - 1)), 401, "session_ended")
    User.objects.update(identity_tokens_from=timezone.now() - timedelta(seconds=3))
    data_of(me(api, token(iat=int(time.time()) - 1)))


@pytest.mark.parametrize(("issued_at", "refused"), [(99, True), (100, True), (100.9, True), (101, False)])
def test_the_second_of_the_logout_counts_as_before_it(issued_at: float, refused: bool) -> None:
    user = User(identity_tokens_from=datetime.fromtimestamp(100.5, tz=timezone.get_default_timezone()))

    assert services.logged_out_since(user, issued_at=issued_at) is refused


def test_a_deactivated_user_is_refused(api: Api, provider: Provider) -> None:
    text = token()
    data_of(me(api, text))
    User.objects.update(is_active=False)

    assert_refused(me(api, text), 401, "session_ended")
