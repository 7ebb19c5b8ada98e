"""Sending a request again when its answer was lost, or when the service says to come back later."""

import asyncio
import random
import ssl
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx

READS = frozenset({"GET", "HEAD", "OPTIONS"})
AUTH = "/api/v1/auth/"  # these operations ignore Idempotency-Key; each may be sent again
# Nothing was changed, or a repeat with the same key gets the answer that was lost.
REPEATED_STATUSES = frozenset({408, 429, 500, 502, 503, 504})
REPEATED_CONFLICTS = frozenset({"idempotency_key_in_use", "refresh_in_progress"})
LONGEST_BACKOFF = 5.0


@dataclass(frozen=True)
class Retries:
    """When to send a request again.

    No attempt starts later than `patience` seconds after the first one. It must be below 60: only so long a refresh may
    be repeated with the same token. If `Retry-After` is longer than what is left of it, the refusal is returned.
    """

    attempts: int = 5
    patience: float = 45.0
    first_backoff: float = 0.25
    clock: Callable[[], float] = time.monotonic


class _Call:
    """The attempts at one request."""

    def __init__(self, request: httpx.Request, policy: Retries) -> None:
        self._policy = policy
        self._until = policy.clock() + policy.patience
        self._left = policy.attempts - 1
        self._backoff = policy.first_backoff
        if request.method not in READS and AUTH not in request.url.path:
            # A new key for each call, the same one for each attempt at it.
            request.headers.setdefault("Idempotency-Key", str(uuid.uuid4()))

    def pause_after_error(self) -> float | None:
        """Seconds until the next attempt after one without an answer; None if there is none."""
        return self._pause(0.0)

    def pause_after(self, response: httpx.Response) -> float | None:
        """Seconds until the next attempt after this answer; None if it is to be returned."""
        conflict = response.status_code == 409 and response.headers.get("X-Error-Code") in REPEATED_CONFLICTS
        if not conflict and response.status_code not in REPEATED_STATUSES:
            return None
        return self._pause(seconds_of(response.headers.get("Retry-After", "")))

    def _pause(self, at_least: float) -> float | None:
        # The jitter keeps clients that were refused together from coming back together; it is never before Retry-After.
        pause = at_least + random.uniform(0.5, 1.0) * self._backoff
        self._backoff = min(2 * self._backoff, LONGEST_BACKOFF)
        self._left -= 1
        if self._left < 0 or self._policy.clock() + pause > self._until:
            return None
        return pause


def seconds_of(retry_after: str) -> float:
    """RFC 9110, section 10.2.3: seconds, or a date. 0 for anything else."""
    if retry_after.isascii() and retry_after.isdigit():
        return float(retry_after)
    try:
        at = parsedate_to_datetime(retry_after)
    except ValueError:
        return 0.0
    return max(0.0, (at.replace(tzinfo=at.tzinfo or UTC) - datetime.now(UTC)).total_seconds())


class RetryingTransport(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """Wraps the transports of httpx, for clients that wait in threads and for those of asyncio.

    A change gets an `Idempotency-Key`, unless the caller has chosen one. Answers are read to their end, because a
    connection that is lost in the middle of an answer loses it, too.
    """

    def __init__(
        self,
        policy: Retries,
        *,
        verify: str | bool | ssl.SSLContext = True,
        sync: httpx.BaseTransport | None = None,
        asynchronous: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._policy = policy
        self._verify = verify
        self._sync = sync
        self._async = asynchronous

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self._sync = self._sync or httpx.HTTPTransport(verify=self._verify)
        request.read()
        call = _Call(request, self._policy)
        while True:
            try:
                response = self._sync.handle_request(request)
                response.read()
            except httpx.TransportError:
                pause = call.pause_after_error()
                if pause is None:
                    raise
            else:
                pause = call.pause_after(response)
                if pause is None:
                    return response
            time.sleep(pause)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self._async = self._async or httpx.AsyncHTTPTransport(verify=self._verify)
        await request.aread()
        call = _Call(request, self._policy)
        while True:
            try:
                response = await self._async.handle_async_request(request)
                await response.aread()
            except httpx.TransportError:
                pause = call.pause_after_error()
                if pause is None:
                    raise
            else:
                pause = call.pause_after(response)
                if pause is None:
                    return response
            await asyncio.sleep(pause)

    def close(self) -> None:
        if self._sync:
            self._sync.close()

    async def aclose(self) -> None:
        if self._async:
            await self._async.aclose()
