"""The platform's own identity provider: which of its tokens we believe."""

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
        self._fetched = 0

    @property
    def state(self) -> Hashable:
        """Changes when keys are fetched, and when they have been kept for `KEYS_KEPT`; no state ever comes again."""
        return self._fetched, self.jwk_set_cache is None or self.jwk_set_cache.is_expired()

    def fetch_data(self) -> Any:
        if time.monotonic() < self.asks_again_at:
            raise ProviderUnavailable
        try:
            fetched = super().fetch_data()
        except (jwt.PyJWTError, OSError, ValueError) as error:
            self.asks_again_at = time.monotonic() + ASKS_APART
            logger.warning("the identity provider's keys cannot be read from %s: %s", self.uri, error)
            raise ProviderUnavailable from error
        self._fetched += 1
        return fetched


@cache
def provider_keys(url: str) -> ProviderKeys:
    return ProviderKeys(url)


def keys_in_use() -> Hashable:
    """What a verdict on a token rests on. While this stays the same, so does the verdict."""
    url = settings.IDENTITY_JWKS_URL
    return (url, provider_keys(url).state) if settings.IDENTITY_ISSUER and url else settings.IDENTITY_PUBLIC_KEY


def claims_of(token: str) -> Mapping[str, Any]:
    """What the provider says in `token`; its `exp` is at most `IDENTITY_TOKEN_MAX_SECONDS` after its `iat`.

    Raises `jwt.PyJWTError` when it is not the provider's, not for us or not in force, `ProviderUnavailable`
    when its keys cannot be had.
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


# --- what the claims say of a person --------------------------------------------------------------


def username_from(claims: Mapping[str, Any]) -> str:
    """A username that is allowed; somebody may have it already."""
    local_part = text_from(claims, "email").partition("@")[0]
    for candidate in (text_from(claims, "preferred_username", "nickname"), local_part, claims["sub"]):
        if username := names.usable_part(candidate):
            return username
    return f"user-{token_hex(4)}"


def with_random_ending(username: str) -> str:
    """Ten digits: beside letters that are written from the right, others are not allowed."""
    return names.usable_part(f"{username[:139]}-{randbelow(10**10):010d}") or f"user-{token_hex(4)}"


def email_from(claims: Mapping[str, Any]) -> str:
    """The email address, or "" when it is none."""
    email = text_from(claims, "email", longest=254)
    try:
        validate_email(email)
    except ValidationError:
        return ""
    return email


def text_from(claims: Mapping[str, Any], *names: str, longest: int = 150) -> str:
    """The first of these claims that is a text with something in it, made fit for a column."""
    for name in names:
        value = claims.get(name)
        if isinstance(value, str) and (text := fitted_line(value, longest=longest)):
            return text
    return ""
