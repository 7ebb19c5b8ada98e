"""The cache of verified tokens: it is valid only as long as the keys that verified them, and its memory is bounded."""

import time
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts import identity, tokens
from accounts.models import User
from tests.accounts.identity_provider import (
    EC_KEY,
    STRANGE_KEY,
    Provider,
    jwk_of,
    me,
    token,
)
from tests.conftest import Api, session_of, token_of
from tests.envelope import assert_refused, data_of

KEPT = 0.3  # seconds, instead of KEYS_CACHED_FOR


@pytest.fixture
def short_lived_keys(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> Provider:
    monkeypatch.setattr(identity, "KEYS_CACHED_FOR", KEPT)
    return provider


def test_a_token_of_a_removed_key_is_refused_when_the_cached_keys_have_expired(
    api: Api, short_lived_keys: Provider
) -> None:
    text = token()
    data_of(me(api, text))
    short_lived_keys.keys = [jwk_of(EC_KEY, "ec")]
    time.sleep(KEPT + 0.1)

    assert_refused(me(api, text), 401, "token_invalid")
    assert_refused(me(api, text), 401, "token_invalid")
    data_of(me(api, token(EC_KEY, "ec", "ES256")))


def test_a_token_of_a_key_that_was_replaced_under_the_same_id_is_refused(api: Api, short_lived_keys: Provider) -> None:
    text = token()
    data_of(me(api, text))
    short_lived_keys.keys = [jwk_of(STRANGE_KEY, "rsa")]
    time.sleep(KEPT + 0.1)

    assert_refused(me(api, text), 401, "token_invalid")
    data_of(me(api, token(STRANGE_KEY)))


def test_a_token_of_a_removed_key_is_refused_as_soon_as_keys_are_fetched_for_another(
    api: Api,
    provider: Provider,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(identity, "FETCH_INTERVAL", 0)
    text = token()
    data_of(me(api, text))
    provider.keys = [jwk_of(EC_KEY, "next")]

    data_of(me(api, token(EC_KEY, "next", "ES256")))

    assert_refused(me(api, text), 401, "token_invalid")


def test_a_token_is_verified_again_when_the_cached_keys_have_expired(api: Api, short_lived_keys: Provider) -> None:
    text = token()
    for _ in range(3):
        data_of(me(api, text))
    assert short_lived_keys.asked == 1
    time.sleep(KEPT + 0.1)

    data_of(me(api, text))

    assert short_lived_keys.asked == 2


def test_expired_keys_of_a_provider_that_is_down_verify_no_token(
    api: Api, short_lived_keys: Provider, creator: User
) -> None:
    text, ours = token(), token_of(creator)
    data_of(me(api, text))
    short_lived_keys.status = 500
    time.sleep(KEPT + 0.1)

    assert_refused(me(api, text), 503, "identity_provider_unavailable")
    data_of(me(api, ours))


# --- expiry of the provider's tokens -----------------------------------------------------------------


def test_a_providers_token_expires_at_most_a_day_after_its_issue(api: Api, provider: Provider) -> None:
    now, day, years = int(time.time()), 86_400, 10 * 365 * 86_400

    data_of(me(api, token(iat=now - day + 60, exp=now + years)))
    assert_refused(me(api, token(iat=now - day - 1, exp=now + years)), 401, "token_expired")


def test_the_longest_lifetime_is_a_setting_and_applies_to_cached_tokens(
    api: Api,
    provider: Provider,
    settings: Any,
    now: datetime,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings.IDENTITY_TOKEN_MAX_SECONDS = 120
    text = token()  # issued 5 s ago, good for 600 s
    data_of(me(api, text))

    monkeypatch.setattr(timezone, "now", lambda: now + timedelta(seconds=121))

    assert_refused(me(api, text), 401, "token_expired")


def test_a_token_that_expires_earlier_is_not_prolonged(api: Api, provider: Provider) -> None:
    assert_refused(me(api, token(exp=int(time.time()) - 1)), 401, "token_expired")


# --- memory -----------------------------------------------------------------------------------------------


def test_a_token_longer_than_four_kilobytes_is_refused(
    api: Api,
    provider: Provider,
) -> None:
    data_of(me(api, token(filler="x" * 2000)))
    assert_refused(me(api, token(filler="x" * 4000)), 401, "token_invalid")


def test_refused_tokens_are_not_cached(creator: User, now: datetime) -> None:
    text = str(tokens.AccessToken.of(session_of(creator), now=now))
    before = tokens.signed_claims.cache_info().currsize

    for number in range(100):
        with pytest.raises(tokens.TokenInvalid):
            tokens.verified(f"{text[:-8]}{number:08}", now=now)

    assert tokens.signed_claims.cache_info().currsize == before
