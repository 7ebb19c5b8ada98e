"""The identity provider's public keys: where they are read from, when they are fetched, and failed fetches."""

import time
from typing import Any

import pytest

from accounts import identity
from tests.accounts.identity_provider import (
    EC_KEY,
    RSA_KEY,
    STRANGE_KEY,
    PrivateKey,
    Provider,
    jwk_of,
    me,
    pem_of,
    signed_with_the_public_key,
    token,
    unsigned,
)
from tests.conftest import Api
from tests.envelope import assert_refused, data_of


@pytest.mark.parametrize(("key", "algorithm"), [(RSA_KEY, "RS256"), (EC_KEY, "ES256")])
def test_a_public_key_in_the_settings_needs_no_request_to_the_provider(
    api: Api, provider: Provider, settings: Any, key: PrivateKey, algorithm: str
) -> None:
    settings.IDENTITY_JWKS_URL, settings.IDENTITY_PUBLIC_KEY = "", pem_of(key)

    data_of(me(api, token(key, algorithm=algorithm)))

    for bad in (token(STRANGE_KEY), unsigned(), signed_with_the_public_key()):
        assert_refused(me(api, bad), 401, "token_invalid")
    assert provider.asked == 0


@pytest.mark.parametrize("key_from", ["jwks", "pem"])
def test_shared_secrets_stay_refused_when_the_settings_allow_them(
    api: Api, provider: Provider, settings: Any, key_from: str
) -> None:
    settings.IDENTITY_ALGORITHMS = ["HS256", "none", "RS256"]
    if key_from == "pem":
        settings.IDENTITY_JWKS_URL, settings.IDENTITY_PUBLIC_KEY = "", pem_of(RSA_KEY)

    for bad in (unsigned(), signed_with_the_public_key()):
        assert_refused(me(api, bad), 401, "token_invalid")
    data_of(me(api, token()))


def test_a_new_key_of_the_provider_is_fetched_when_a_token_names_it(
    api: Api, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(identity, "FETCH_INTERVAL", 0)
    data_of(me(api, token()))
    provider.keys = [jwk_of(STRANGE_KEY, "next")]

    data_of(me(api, token(STRANGE_KEY, "next")))

    assert provider.asked == 2
    assert_refused(me(api, token(exp=int(time.time()) + 700)), 401, "token_invalid")


def test_unknown_key_ids_do_not_cause_many_requests_to_the_provider(api: Api, provider: Provider) -> None:
    for number in range(30):
        assert_refused(me(api, token(kid=f"made-up-{number}")), 401, "token_invalid")

    assert provider.asked <= 2
    data_of(me(api, token()))


def test_a_provider_that_is_down_is_a_503_and_no_invalid_token(api: Api, provider: Provider, settings: Any) -> None:
    settings.IDENTITY_JWKS_URL = "http://127.0.0.1:9/jwks"  # discard: nobody listens

    assert_refused(
        me(api, token()),
        503,
        "identity_provider_unavailable",
        "the identity provider does not answer; try again shortly",
    )


@pytest.mark.parametrize("trouble", ["error", "no keys", "slow"])
def test_after_a_failed_fetch_the_provider_is_asked_again_only_after_an_interval(
    api: Api, provider: Provider, monkeypatch: pytest.MonkeyPatch, trouble: str
) -> None:
    monkeypatch.setattr(identity, "FETCH_TIMEOUT", 0.2)
    good = provider.keys
    if trouble == "error":
        provider.status = 500
    elif trouble == "no keys":
        provider.keys = []
    else:
        provider.delay = 0.5

    for _ in range(5):
        assert_refused(me(api, token()), 503, "identity_provider_unavailable")
    assert provider.asked == 1

    provider.status, provider.keys, provider.delay = 200, good, 0.0
    identity.provider_keys(provider.url).next_fetch_at = 0.0
    data_of(me(api, token()))


def test_known_keys_verify_tokens_while_the_provider_is_down(api: Api, provider: Provider) -> None:
    text = token()
    data_of(me(api, text))
    provider.status = 500

    data_of(me(api, text))
    data_of(me(api, token(exp=int(time.time()) + 700)))
