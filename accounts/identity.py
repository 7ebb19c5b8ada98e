"""The platform's own identity provider: which of its tokens we believe."""

import logging
import time
from collections.abc import Mapping
from functools import cache
from typing import Any

import jwt
from django.conf import settings
from django.utils.translation import gettext_lazy as _
from jwt.exceptions import InvalidSubjectError

from common.refusals import Unavailable

logger = logging.getLogger(__name__)

# Signatures that a public key checks. With HS* anybody who knows the public key could sign.
ASYMMETRIC = frozenset(["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"])
LONGEST_SUBJECT = 200

KEYS_KEPT = 300  # seconds
ANSWER_WITHIN = 3  # seconds
# Tokens with made-up key ids, or a provider that is down, make us ask no more often than this (seconds).
ASKS_APART = 10


class ProviderUnavailable(Unavailable):
    code = "identity_provider_unavailable"
    message = _("the identity provider does not answer; try again shortly")
    retry_after = ASKS_APART


class ProviderKeys(jwt.PyJWKClient):
    """The keys that a provider publishes. One that does not answer is left alone for a while."""

    def __init__(self, url: str) -> None:
        super().__init__(url, lifespan=KEYS_KEPT, timeout=ANSWER_WITHIN, cooldown_duration=ASKS_APART)
        self.asks_again_at = 0.0

    def fetch_data(self) -> Any:
        if time.monotonic() < self.asks_again_at:
            raise ProviderUnavailable
        try:
            return super().fetch_data()
        except (jwt.PyJWTError, OSError, ValueError) as error:
            self.asks_again_at = time.monotonic() + ASKS_APART
            logger.warning("the identity provider's keys cannot be read from %s: %s", self.uri, error)
            raise ProviderUnavailable from error


@cache
def provider_keys(url: str) -> ProviderKeys:
    return ProviderKeys(url)


def claims_of(token: str) -> Mapping[str, Any]:
    """What the provider says in `token`.

    Raises `jwt.PyJWTError` when it is not the provider's, not for us or not in force, `ProviderUnavailable`
    when its keys cannot be had.
    """
    url = settings.IDENTITY_JWKS_URL
    key = provider_keys(url).get_signing_key_from_jwt(token) if url else settings.IDENTITY_PUBLIC_KEY
    claims: dict[str, Any] = jwt.decode(
        token,
        key,
        algorithms=[name for name in settings.IDENTITY_ALGORITHMS if name in ASYMMETRIC],
        issuer=settings.IDENTITY_ISSUER,
        audience=settings.IDENTITY_AUDIENCE,
        options={"require": ["exp", "iat", "sub", "iss", "aud"]},
    )
    if not 0 < len(claims["sub"]) <= LONGEST_SUBJECT or "\0" in claims["sub"]:
        raise InvalidSubjectError
    return claims | {"exp": int(claims["exp"]), "iat": int(claims["iat"])}
