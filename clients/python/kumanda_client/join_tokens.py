"""For media servers and chat servers: verify join tokens without a call for each."""

import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx
import jwt

KEYS = "/.well-known/jwks.json"
AUDIENCE = "media"
LEEWAY = 30  # seconds that the clock of the service may be ahead
OLDEST = 300.0  # seconds until the keys are fetched again, so that one that was withdrawn is forgotten


class JoinTokenInvalid(Exception):
    """The token must not admit anybody. The text says why, for logs."""


@dataclass(frozen=True)
class JoinClaims:
    """`grants` has `watch`, and `chat` unless a ban forbids it. `token_id` (`jti`) is unique."""

    user_id: str
    stream_id: str
    role: str
    grants: frozenset[str]
    token_id: str
    expires_at: datetime


class JoinTokens:
    """Verifies the join tokens of the service at `issuer`, its public address, which signs as `iss`.

    The public keys are fetched from it once, again when a token names an unknown one, and every five minutes. While the
    service cannot be reached, known keys remain in use. `keys_url` is another address of the keys. Between two fetches
    are `fetch_pause` seconds, so that unknown keys in forged tokens do not become a flood of calls; a new key is
    published 15 seconds before it signs.
    """

    def __init__(
        self,
        issuer: str,
        *,
        keys_url: str | None = None,
        fetch_pause: float = 5.0,
        http: httpx.Client | None = None,
    ) -> None:
        self._issuer = issuer
        self._keys_url = keys_url or issuer.rstrip("/") + KEYS
        self._fetch_pause = fetch_pause
        self._http = http or httpx.Client(timeout=10.0)
        self._keys: dict[str, jwt.PyJWK] = {}
        self._fetched_at = float("-inf")
        self._lock = threading.Lock()

    def verify(self, token: str, *, stream_id: str | None = None) -> JoinClaims:
        """The claims of a valid token, of this stream if one is named. Raises JoinTokenInvalid.

        Raises httpx.HTTPError when the key is unknown and the keys cannot be fetched.
        """
        try:
            key = self._key(jwt.get_unverified_header(token).get("kid"))
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=["ES256"],
                audience=AUDIENCE,
                issuer=self._issuer,
                # Only `iat` gets a leeway: it may be in the future for a clock that is late.
                options={"require": ["exp", "iat", "sub", "jti"], "verify_iat": False},
            )
            if claims["iat"] > time.time() + LEEWAY:
                raise JoinTokenInvalid("the token was issued in the future")
            read = JoinClaims(
                user_id=claims["sub"],
                stream_id=claims["stream"],
                role=claims["role"],
                grants=frozenset(claims["grants"]),
                token_id=claims["jti"],
                expires_at=datetime.fromtimestamp(claims["exp"], UTC),
            )
        except (jwt.PyJWTError, KeyError, TypeError, ValueError) as error:
            raise JoinTokenInvalid(str(error)) from error
        if stream_id is not None and read.stream_id != stream_id:
            raise JoinTokenInvalid("the token is for another stream")
        return read

    def _key(self, kid: object) -> jwt.PyJWK:
        with self._lock:
            age = time.monotonic() - self._fetched_at
            if age > OLDEST or (kid not in self._keys and age > self._fetch_pause):
                self._fetch(needed=kid not in self._keys)
        if not isinstance(kid, str) or kid not in self._keys:
            raise JoinTokenInvalid("no published key has signed the token")
        return self._keys[kid]

    def _fetch(self, *, needed: bool) -> None:
        self._fetched_at = time.monotonic()
        try:
            published = self._http.get(self._keys_url).raise_for_status().json()
        except (httpx.HTTPError, ValueError):
            if needed:
                raise
            return
        self._keys = {key.key_id: key for key in jwt.PyJWKSet.from_dict(published).keys if key.key_id}
