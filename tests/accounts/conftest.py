"""Fixtures of tests of accounts."""

from collections.abc import Iterator
from threading import Thread
from typing import Any

import pytest

from accounts import identity, tokens
from tests.accounts.identity_provider import AUDIENCE, ISSUER, Provider


@pytest.fixture
def provider(settings: Any, db: None) -> Iterator[Provider]:
    with Provider() as server:
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        settings.IDENTITY_ISSUER, settings.IDENTITY_AUDIENCE = ISSUER, AUDIENCE
        settings.IDENTITY_JWKS_URL = server.url
        identity.provider_keys.cache_clear()
        tokens.signed_claims.cache_clear()
        yield server
        server.shutdown()
