"""Tokens of the platform's own identity provider: their verification, and what their claims say about a user."""

import logging
import time
from collections.abc import Hashable, Mapping
from functools import cache
from secrets import randbelow, token_hex
from typing import Any

import jwt
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.utils.translation import gettext_lazy as _
from jwt.exceptions import InvalidSubjectError

from accounts import names
from common.refusals import Unavailable
from common.texts import fitted_line

logger = logging.getLogger(__name__)

LONGEST_SUBJECT = 200

KEYS_CACHED_FOR = 300  # seconds
FETCH_TIMEOUT = 3  # seconds
# Seconds between two fetches, at least, also while tokens name unknown key ids or the provider is down.
FETCH_INTERVAL = 10


class ProviderUnavailable(Unavailable):
    code = "identity_provider_unavailable"
    message = _("the identity provider does not answer; try again shortly")
    retry_after = FETCH_INTERVAL


class ProviderKeys(jwt.PyJWKClient):
    """A cache of the public keys that a provider publishes (JWKS). It waits `FETCH_INTERVAL` after a failed fetch."""

    def __init__(self, url: str) -> None:
        super().__init__(url, lifespan=KEYS_CACHED_FOR, timeout=FETCH_TIMEOUT, cooldown_duration=FETCH_INTERVAL)
        self.next_fetch_at = 0.0
        self._fetched = 0

    @property
    def state(self) -> Hashable:
        """Changes when keys are fetched and when cached keys expire; a value never occurs twice."""
        return self._fetched, self.jwk_set_cache is None or self.jwk_set_cache.is_expired()

    def fetch_data(self) -> Any:
        if time.monotonic() < self.next_fetch_at:
            raise ProviderUnavailable
        try:
            fetched = super().fetch_data()
        except (jwt.PyJWTError, OSError, ValueError) as error:
            self.next_fetch_at = time.monotonic() + FETCH_INTERVAL
            logger.warning("the identity provider's keys cannot be read from %s: %s", self.uri, error)
            raise ProviderUnavailable from error
        self._fetched += 1
        return fetched


@cache
def provider_keys(url: str) -> ProviderKeys:
    return ProviderKeys(url)


def keys_in_use() -> Hashable:
    """Identifies the keys that verify tokens. Whether a signature is valid is the same while this is the same."""
    url = settings.IDENTITY_JWKS_URL
    return (url, provider_keys(url).state) if settings.IDENTITY_ISSUER and url else settings.IDENTITY_PUBLIC_KEY


def claims_of(token: str) -> Mapping[str, Any]:
    """The verified claims of the provider's token; `exp` is at most `IDENTITY_TOKEN_MAX_SECONDS` after `iat`.

    Raises `jwt.PyJWTError` when the signature, issuer, audience or validity period is wrong, `ProviderUnavailable`
    when the keys cannot be fetched.
    """
    url = settings.IDENTITY_JWKS_URL
    key = provider_keys(url).get_signing_key_from_jwt(token) if url else settings.IDENTITY_PUBLIC_KEY
    claims: dict[str, Any] = jwt.decode(
        token,
        key,
        algorithms=[name for name in settings.IDENTITY_ALGORITHMS if name in settings.IDENTITY_ALGORITHMS_KNOWN],
        issuer=settings.IDENTITY_ISSUER,
        audience=settings.IDENTITY_AUDIENCE,
        leeway=settings.CLOCK_LEEWAY,  # of `exp` too, which `tokens.verified` compares exactly
        options={"require": ["exp", "iat", "sub", "iss", "aud"]},
    )
    if not 0 < len(claims["sub"]) <= LONGEST_SUBJECT or "\0" in claims["sub"]:
        raise InvalidSubjectError
    issued_at = int(claims["iat"])
    expires_at = min(int(claims["exp"]), issued_at + settings.IDENTITY_TOKEN_MAX_SECONDS)
    return claims | {"exp": expires_at, "iat": issued_at}


# --- claims about a user --------------------------------------------------------------------------


def username_from(claims: Mapping[str, Any]) -> str:
    """A valid username made from the claims. It may be taken."""
    local_part = text_from(claims, "email").partition("@")[0]
    for candidate in (text_from(claims, "preferred_username", "nickname"), local_part, claims["sub"]):
        if username := names.usable_part(candidate):
            return username
    return f"user-{token_hex(4)}"


def with_random_ending(username: str) -> str:
    """`username` with ten random digits. Latin letters would break the bidi rule beside right-to-left letters."""
    return names.usable_part(f"{username[:139]}-{randbelow(10**10):010d}") or f"user-{token_hex(4)}"


def email_from(claims: Mapping[str, Any]) -> str:
    """The email address, or "" when it is missing or not valid."""
    email = text_from(claims, "email", longest=254)
    try:
        validate_email(email)
    except ValidationError:
        return ""
    return email


def text_from(claims: Mapping[str, Any], *names: str, longest: int = 150) -> str:
    """The first of these claims that is a non-empty text, normalized and cut to `longest` characters; else ""."""
    for name in names:
        value = claims.get(name)
        if isinstance(value, str) and (text := fitted_line(value, longest=longest)):
            return text
    return ""
