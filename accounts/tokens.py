"""Issues tokens, and verifies them and those of the identity provider. `authentication` checks their session."""

from collections.abc import Hashable, Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple, Self

import jwt
from django.conf import settings
from django.utils.translation import gettext_lazy as _
from rest_framework_simplejwt.backends import TokenBackend
from rest_framework_simplejwt.exceptions import (
    ExpiredTokenError,
    TokenBackendError,
    TokenBackendExpiredToken,
    TokenError,
)
from rest_framework_simplejwt.settings import api_settings
from rest_framework_simplejwt.tokens import Token

from accounts import identity
from accounts.models import Session
from accounts.services import Pair, RefreshTokenInvalid
from common.fields import OBJECT_ID
from common.refusals import Unauthenticated

type Claims = Mapping[str, Any]

TOKENS_REMEMBERED = 10_000
LONGEST_TOKEN = 4096  # characters


class TokenInvalid(Unauthenticated):
    code = "token_invalid"
    message = _("the access token is not valid")


class TokenExpired(Unauthenticated):
    code = "token_expired"
    message = _("the access token has expired")


class _Backend(TokenBackend):
    """Signs with the first key, and also verifies what was signed with one of the others."""

    def __init__(self, keys: tuple[str, ...]) -> None:
        options = {"issuer": api_settings.ISSUER, "leeway": api_settings.LEEWAY}
        super().__init__(api_settings.ALGORITHM, keys[0], **options)
        self._next = _Backend(keys[1:]) if keys[1:] else None

    def decode(self, token: Any, verify: bool = True) -> dict[str, Any]:
        try:
            return super().decode(token, verify)
        except TokenBackendExpiredToken:
            raise
        except TokenBackendError:
            if self._next is None:
                raise
            return self._next.decode(token, verify)


@lru_cache(maxsize=2)
def _backend(keys: tuple[str, ...]) -> _Backend:
    return _Backend(keys)


class _SessionToken(Token):
    """A token type of djangorestframework-simplejwt, with the claims of a session.

    The package makes types from `token_type` and `lifetime`. Its own `AccessToken` and `RefreshToken` only add a
    blacklist, which the session's row replaces here.
    """

    lifetime: timedelta

    def get_token_backend(self) -> TokenBackend:
        return _backend((settings.JWT_SIGNING_KEY, *settings.JWT_SIGNING_KEY_FALLBACKS))

    @classmethod
    def of(cls, session: Session, *, now: datetime) -> Self:
        token = cls()
        token.set_iat(at_time=now)
        token.set_exp(from_time=now)
        token["sub"] = session.user_id
        token["sid"] = session.pk
        return token

    @classmethod
    def claims_of(cls, encoded: str) -> dict[str, Any]:
        """Raises `TokenError` when the token is not signed by us, of another type or long expired."""
        # The package annotates its argument as a Token; its documentation passes the encoded text.
        return cls(encoded).payload  # type: ignore[arg-type]


class AccessToken(_SessionToken):
    token_type = "access"  # noqa: S105 - the value of a claim
    lifetime = api_settings.ACCESS_TOKEN_LIFETIME


class RefreshToken(_SessionToken):
    token_type = "refresh"  # noqa: S105 - the value of a claim
    lifetime = api_settings.REFRESH_TOKEN_LIFETIME

    @classmethod
    def of(cls, session: Session, *, now: datetime) -> Self:
        token = super().of(session, now=now)
        token["jti"] = session.refresh_id
        return token


def signed_pair(session: Session, *, now: datetime) -> Pair:
    return Pair(str(AccessToken.of(session, now=now)), str(RefreshToken.of(session, now=now)))


def service_token(session: Session, *, now: datetime) -> str:
    """An access token for a server, which logs in once: it holds as long as its session."""
    token = AccessToken.of(session, now=now)
    token.set_exp(from_time=now, lifetime=session.expires_at - now)
    return str(token)


class RefreshClaims(NamedTuple):
    session_id: str
    refresh_id: str


def refresh_claims(refresh_token: str, *, now: datetime) -> RefreshClaims:
    """Raises `RefreshTokenInvalid` when it is not a refresh token of ours or has expired."""
    try:
        claims = RefreshToken.claims_of(refresh_token)
    except (TokenError, ValueError) as error:
        raise RefreshTokenInvalid from error
    if _has_expired(claims, now):
        raise RefreshTokenInvalid
    return RefreshClaims(claims["sid"], claims["jti"])


def _has_expired(claims: Claims, now: datetime) -> bool:
    """Without leeway: the libraries would apply the leeway of `iat` and `nbf` to `exp` as well."""
    return bool(claims["exp"] <= now.timestamp())


def verified(token: str, *, now: datetime) -> Claims:
    """The claims of an access token, ours or the identity provider's.

    Raises `TokenInvalid`, `TokenExpired`, or `ProviderUnavailable` when the provider's keys cannot be fetched.
    """
    claims = signed_claims(token, identity.keys_in_use())
    if _has_expired(claims, now):
        raise TokenExpired
    return claims


def is_provider_token(claims: Claims) -> bool:
    return bool(settings.IDENTITY_ISSUER) and claims.get("iss") == settings.IDENTITY_ISSUER


@lru_cache(maxsize=TOKENS_REMEMBERED)
def signed_claims(token: str, _keys: Hashable) -> Claims:
    """The claims of a token with a valid signature, cached: verifying it costs more than the rest of authentication.

    `_keys` is part of the cache key, so that other keys verify again. What changes with time (expiry, session) is
    checked by the callers. Memory is bounded: only short tokens are cached, and `lru_cache` caches no exceptions.
    """
    if len(token) > LONGEST_TOKEN:
        raise TokenInvalid
    try:
        if settings.IDENTITY_ISSUER and is_provider_token(jwt.decode(token, options={"verify_signature": False})):
            return identity.claims_of(token)
        claims: Claims = AccessToken.claims_of(token)
    except (jwt.ExpiredSignatureError, ExpiredTokenError) as error:
        raise TokenExpired from error
    except (jwt.PyJWTError, TokenError, TypeError, ValueError) as error:
        raise TokenInvalid from error
    if not OBJECT_ID.fullmatch(str(claims.get("sid"))):
        raise TokenInvalid
    return claims
