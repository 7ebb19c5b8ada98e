"""Tokens from machines whose clocks are ahead of ours: 30 seconds of leeway on `iat` and `nbf`, none on `exp`."""

import time
from datetime import datetime, timedelta
from typing import Any

import jwt
import pytest
from django.conf import settings as django_settings
from django.utils import timezone

from accounts import services, tokens
from accounts.models import User
from tests.accounts.identity_provider import EC_KEY, RSA_KEY, Provider, me, pem_of, token
from tests.conftest import Api, session_of
from tests.envelope import assert_refused, data_of

AHEAD = [(1, True), (29, True), (31 + 5, False)]  # seconds; the last one with time for a slow machine
KEYS: dict[str, dict[str, Any]] = {"RS256": {}, "ES256": {"key": EC_KEY, "kid": "ec", "algorithm": "ES256"}}
REFRESH = "/api/v1/auth/refresh"


def ours(kind: type[Any], user: User, **claims: Any) -> str:
    payload = kind.of(session_of(user), now=timezone.now()).payload | {"iss": "kumanda"} | claims
    return jwt.encode(payload, django_settings.JWT_SIGNING_KEY, algorithm="HS256")


def soon(seconds: float) -> int:
    return int(time.time()) + int(seconds)


@pytest.mark.parametrize("claim", ["iat", "nbf"])
@pytest.mark.parametrize(("seconds", "accepted"), AHEAD)
def test_our_access_token_may_be_issued_half_a_minute_ahead(
    api: Api, creator: User, claim: str, seconds: int, accepted: bool
) -> None:
    answer = me(api, ours(tokens.AccessToken, creator, **{claim: soon(seconds)}))

    if accepted:
        assert data_of(answer)["_id"] == creator.pk
    else:
        assert_refused(answer, 401, "token_invalid")


@pytest.mark.parametrize("claim", ["iat", "nbf"])
@pytest.mark.parametrize(("seconds", "accepted"), AHEAD)
def test_our_refresh_token_may_be_issued_half_a_minute_ahead(
    api: Api, creator: User, claim: str, seconds: int, accepted: bool
) -> None:
    answer = api().post(REFRESH, {"refreshToken": ours(tokens.RefreshToken, creator, **{claim: soon(seconds)})})

    if accepted:
        data_of(answer)
    else:
        assert_refused(answer, 401, "refresh_token_invalid")


@pytest.mark.parametrize("claim", ["iat", "nbf"])
@pytest.mark.parametrize("algorithm", KEYS)
@pytest.mark.parametrize("key_from", ["jwks", "pem"])
@pytest.mark.parametrize(("seconds", "accepted"), AHEAD)
def test_a_token_of_the_provider_may_be_issued_half_a_minute_ahead(
    api: Api,
    provider: Provider,
    settings: Any,
    claim: str,
    algorithm: str,
    key_from: str,
    seconds: int,
    accepted: bool,
) -> None:
    text = token(**KEYS[algorithm] | {claim: soon(seconds)})
    if key_from == "pem":
        key = EC_KEY if algorithm == "ES256" else RSA_KEY
        settings.IDENTITY_JWKS_URL, settings.IDENTITY_PUBLIC_KEY = "", pem_of(key)

    answer = me(api, text)

    if accepted:
        data_of(answer)
    else:
        assert_refused(answer, 401, "token_invalid")


@pytest.mark.parametrize("seconds", [0, 1, 29])
def test_expiry_has_no_leeway(api: Api, creator: User, provider: Provider, seconds: int) -> None:
    past = soon(-seconds)

    assert_refused(me(api, ours(tokens.AccessToken, creator, exp=past)), 401, "token_expired")
    assert_refused(me(api, token(exp=past)), 401, "token_expired")
    refused = api().post(REFRESH, {"refreshToken": ours(tokens.RefreshToken, creator, exp=past)})
    assert_refused(refused, 401, "refresh_token_invalid")


# --- logging out ----------------------------------------------------------------------------------


def test_logout_refuses_the_token_of_a_provider_whose_clock_is_ahead(api: Api, provider: Provider) -> None:
    now = int(time.time())
    in_hand, before, after = token(iat=now + 20), token(iat=now + 15), token(iat=now + 21)
    data_of(me(api, before))

    data_of(api().post("/api/v1/auth/logout", HTTP_AUTHORIZATION=f"Bearer {in_hand}"))

    for refused in (in_hand, before):
        assert_refused(me(api, refused), 401, "session_ended")
    data_of(me(api, after))


def test_a_moderators_logout_refuses_what_a_clock_ahead_may_have_issued_before(
    api: Api,
    provider: Provider,
    moderator: User,
    now: datetime,
) -> None:
    text = token(iat=int(now.timestamp()) + 25)
    person = data_of(me(api, text))["_id"]

    services.log_out(User.objects.get(pk=person), by=moderator, now=now, reason="Stolen.")

    assert_refused(me(api, text), 401, "session_ended")
    user = User.objects.get(pk=person)
    assert not services.logged_out_since(user, issued_at=(now + timedelta(seconds=31)).timestamp())


def test_a_second_logout_does_not_revive_tokens(api: Api, provider: Provider, moderator: User, now: datetime) -> None:
    person = User.objects.get(pk=data_of(me(api, token()))["_id"])
    services.log_out(person, by=moderator, now=now, reason="Stolen.")

    services.log_out(person, now=now + timedelta(seconds=1))

    person.refresh_from_db()
    assert services.logged_out_since(person, issued_at=(now + timedelta(seconds=25)).timestamp())
