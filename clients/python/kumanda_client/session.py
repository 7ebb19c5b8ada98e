"""The tokens of a session: they authorise each call and are refreshed when the access token has expired."""

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Generator
from dataclasses import dataclass

import httpx

from kumanda_client.answers import refusal
from kumanda_client.models import TokenPair

REFRESH = "/api/v1/auth/refresh"


@dataclass(frozen=True)
class Tokens:
    access_token: str
    refresh_token: str

    @classmethod
    def of(cls, tokens: TokenPair) -> "Tokens":
        return cls(tokens.access_token, tokens.refresh_token)


class Session(httpx.Auth):
    """Authorises requests, and exchanges the refresh token when a call is refused with `token_expired`.

    Of concurrent calls one refreshes and the others wait for it. A refresh whose answer was lost is sent again with the
    same token, which the service answers with the same pair for 60 seconds. `on_change` is called with each new pair,
    and with None when the session is over: keep the pair where it outlives the process.
    """

    def __init__(
        self,
        base_url: str,
        tokens: Tokens | None = None,
        on_change: Callable[[Tokens | None], None] | None = None,
    ) -> None:
        self._refresh_url = base_url.rstrip("/") + REFRESH
        self._tokens = tokens
        self._on_change = on_change
        self._lock = threading.Lock()
        self._async_lock = asyncio.Lock()

    @property
    def tokens(self) -> Tokens | None:
        return self._tokens

    def keep(self, tokens: Tokens | None) -> None:
        """Use these tokens from now on; None logs out on this side only."""
        self._tokens = tokens
        if self._on_change:
            self._on_change(self._tokens)

    def sync_auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        used = self._tokens
        response = yield _authorised(request, used)
        if used is None or not _has_expired(response):
            return
        with self._lock:
            if self._tokens is used:
                self._accept((yield self._refresh(used)))
        if self._tokens is not None:
            yield _authorised(request, self._tokens)

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        used = self._tokens
        response = yield _authorised(request, used)
        if used is None or not _has_expired(response):
            return
        async with self._async_lock:
            if self._tokens is used:
                self._accept((yield self._refresh(used)))
        if self._tokens is not None:
            yield _authorised(request, self._tokens)

    def _refresh(self, tokens: Tokens) -> httpx.Request:
        return httpx.Request("POST", self._refresh_url, json={"refreshToken": tokens.refresh_token})

    def _accept(self, response: httpx.Response) -> None:
        """Raises KumandaError if the refresh was refused. With 401 the session is over: log in again."""
        if response.status_code != 200:
            if response.status_code == 401:
                self.keep(None)
            raise refusal(response.status_code, response.headers, response.content)
        self.keep(Tokens.of(TokenPair.from_dict(response.json()["data"])))


def _authorised(request: httpx.Request, tokens: Tokens | None) -> httpx.Request:
    if tokens is not None:
        request.headers["Authorization"] = f"Bearer {tokens.access_token}"
    return request


def _has_expired(response: httpx.Response) -> bool:
    return response.status_code == 401 and response.headers.get("X-Error-Code") == "token_expired"
