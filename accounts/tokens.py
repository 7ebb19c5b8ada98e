"""Tokens: making ours, and deciding which ones to believe. Whether the session holds is asked elsewhere."""

from collections.abc import Hashable, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple, Self

import jwt
from django.conf import settings
from django.utils.translation import gettext_lazy as _
from rest_framework_simplejwt import tokens as simplejwt
from rest_framework_simplejwt.exceptions import ExpiredTokenError, TokenError

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


class _OfSession:
    """A token that names its session, and lives from a given moment."""

    @classmethod
    def of(cls, session: Session, *, now: datetime) -> Self:
        token = cls()
        token.set_iat(at_time=now)  # type: ignore[attr-defined]
        token.set_exp(from_time=now)  # type: ignore[attr-defined]
        token.payload |= {"sub": session.user_id, "sid": session.pk}  # type: ignore[attr-defined]
        return token


class AccessToken(_OfSession, simplejwt.AccessToken):
    pass


class RefreshToken(_OfSession, simplejwt.RefreshToken):  # type: ignore[misc]
    @classmethod
    def of(cls, session: Session, *, now: datetime) -> Self:
        token = super().of(session, now=now)
        token["jti"] = session.refresh_id
        return token


def signed_pair(session: Session, *, now: datetime) -> Pair:
    return Pair(str(AccessToken.of(session, now=now)), str(RefreshToken.of(session, now=now)))


class RefreshClaims(NamedTuple):
    session_id: str
    refresh_id: str


def refresh_claims(refresh_token: str, *, now: datetime) -> RefreshClaims:
    """Raises `RefreshTokenInvalid` when it is not a refresh token of ours or has expired."""
    try:
        claims = RefreshToken(refresh_token).payload  # type: ignore[arg-type]
    except (TokenError, ValueError) as error:
        raise RefreshTokenInvalid from error
    if _has_expired(claims, now):
        raise RefreshTokenInvalid
    return RefreshClaims(claims["sid"], claims["jti"])


def _has_expired(claims: Claims, now: datetime) -> bool:
    """Exactly. The libraries give `exp` the leeway that is meant for `iat` and `nbf`."""
    return bool(claims["exp"] <= now.timestamp())


def verified(token: str, *, now: datetime) -> Claims:
    """The claims of an access token, ours or the identity provider's.

    Raises `TokenInvalid`, `TokenExpired`, or `ProviderUnavailable` when the provider's keys cannot be had.
    """
    claims = signed_claims(token, identity.keys_in_use())
    if _has_expired(claims, now):
        raise TokenExpired
    return claims


def is_provider_token(claims: Claims) -> bool:
    return bool(settings.IDENTITY_ISSUER) and claims.get("iss") == settings.IDENTITY_ISSUER


@lru_cache(maxsize=TOKENS_REMEMBERED)
def signed_claims(token: str, _keys: Hashable) -> Claims:
    """Checking a signature costs more than all the rest of a token, so each text is checked once with the same keys.

    What may change afterwards (its expiry, its session) is looked at each time. Only what is signed and short is
    remembered, so memory is bounded: a refusal is raised, and `lru_cache` keeps no exceptions.
    """
    if len(token) > LONGEST_TOKEN:
        raise TokenInvalid
    try:
        if settings.IDENTITY_ISSUER and is_provider_token(jwt.decode(token, options={"verify_signature": False})):
            return identity.claims_of(token)
        claims: Claims = AccessToken(token).payload  # type: ignore[arg-type]
    except (jwt.ExpiredSignatureError, ExpiredTokenError) as error:
        raise TokenExpired from error
    except (jwt.PyJWTError, TokenError, TypeError, ValueError) as error:
        raise TokenInvalid from error
    if not OBJECT_ID.fullmatch(str(claims.get("sid"))):
        raise TokenInvalid
    return claims
