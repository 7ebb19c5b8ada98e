"""The webhook: a batch is posted as JSON to the platform's push gateway, signed after Standard Webhooks.

    {"type": "reminder.due", "timestamp": "2026-01-15T10:15:00.000Z",
     "data": {"streamId": "…", "kind": "reminder", "plannedStartDate": "2026-01-15T10:30:00.000Z",
              "texts": {"en": {"title": "…", "message": "…"}, "tr": {"title": "…", "message": "…"}},
              "recipients": [{"userId": "…", "language": "tr",
                              "devices": [{"platform": "ios", "token": "…"}]}]}}

docs/webhooks.md is the documentation for receivers. https://www.standardwebhooks.com
"""

import socket
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from threading import Timer
from time import monotonic
from typing import Any
from urllib.parse import urlsplit

import orjson
import requests
from django.conf import settings
from django.utils import timezone, translation
from requests.adapters import HTTPAdapter
from requests_hardened.client import HTTPSession
from requests_hardened.config import Config
from requests_hardened.ip_filter import InvalidIPAddress
from requests_hardened.ip_filter_adapter import IPFilterAdapter
from standardwebhooks import Webhook
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection

from common import tracing
from common.times import optional_wire_time, wire_time
from reminders.channels import Batch, Person, Unreached
from reminders.models import Kind
from reminders.texts import message_of, title_of

CONNECTED_WITHIN = 3  # seconds
ANSWERED_WITHIN = 10  # seconds, from opening the connection to the end of the response headers
TYPES: dict[str, str] = {
    Kind.REMINDER: "reminder.due",
    Kind.LIVE: "reminder.live",
    Kind.CANCELLED: "reminder.cancelled",
}
WITH_RETRY_AFTER = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)


class WebhookChannel:
    def send(self, batch: Batch) -> None:
        """Any 2xx answer counts as delivered; its body is not read. Raises Unreached."""
        body = orjson.dumps(payload(batch))
        began = monotonic()
        try:
            with (
                tracing.call("POST", **{"http.request.method": "POST", "server.address": _host()}) as answered,
                _session() as session,
                session.post(
                    settings.WEBHOOK_URL, data=body, headers=_headers(batch.key, body), stream=True
                ) as response,
            ):
                status, headers = response.status_code, response.headers
                answered(status)
        except requests.RequestException as error:
            raise Unreached(_reason(error, seconds=monotonic() - began)) from error
        if not 200 <= status < 300:
            raise _refusal(status, headers)


def _host() -> str:
    """Of the address only this is no secret."""
    return urlsplit(settings.WEBHOOK_URL).hostname or ""


def payload(batch: Batch) -> dict[str, Any]:
    return {
        "type": TYPES[batch.kind],
        "timestamp": wire_time(batch.notified_at),
        "data": {
            "streamId": batch.stream_id,
            "kind": batch.kind,
            "plannedStartDate": optional_wire_time(batch.planned_start_at),
            "texts": {code: _texts(batch, code) for code, _ in settings.LANGUAGES},
            "recipients": [_recipient(person) for person in batch.people],
        },
    }


def _recipient(person: Person) -> dict[str, Any]:
    return {
        "userId": person.user_id,
        "language": person.language,
        "devices": [{"platform": device.platform, "token": device.token} for device in person.devices],
    }


def _texts(batch: Batch, language: str) -> dict[str, str]:
    with translation.override(language):
        message = message_of(batch.kind, batch.title, batch.planned_start_at, batch.notified_at)
        return {"title": title_of(batch.kind), "message": message}


def _headers(key: str, body: bytes) -> dict[str, str]:
    # The time of this attempt, from the system clock: receivers refuse a timestamp that is five minutes off.
    at = timezone.now()
    signatures = [Webhook(secret).sign(key, at, body.decode()) for secret in settings.WEBHOOK_SECRETS]
    return {
        "Content-Type": "application/json",
        "User-Agent": "Kumanda",
        "Idempotency-Key": key,
        "webhook-id": key,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": " ".join(signatures),
    }


# --- errors ---------------------------------------------------------------------------------------


def _refusal(status: int, headers: Mapping[str, str]) -> Unreached:
    if status == HTTPStatus.GONE:
        return Unreached("the receiver answered 410: it wants no more", permanent=True)
    if 300 <= status < 400:
        return Unreached(f"the receiver answered {status}, and redirects are not followed")
    retry_after = _seconds(headers.get("Retry-After", "")) if status in WITH_RETRY_AFTER else None
    return Unreached(f"the receiver answered {status}", retry_after=retry_after)


def _seconds(retry_after: str) -> float | None:
    """RFC 9110, section 10.2.3: seconds, or a date. None for anything else."""
    if retry_after.isascii() and retry_after.isdigit():
        return float(retry_after)
    try:
        at = parsedate_to_datetime(retry_after)
    except ValueError:
        return None
    # `-0000` parses without a time zone; HTTP dates are always in UTC.
    return max(0.0, (at.replace(tzinfo=at.tzinfo or UTC) - datetime.now(UTC)).total_seconds())


def _reason(error: requests.RequestException, *, seconds: float) -> str:
    """Our own text: the library's may contain the URL, and the URL a secret."""
    match error:
        case InvalidIPAddress():
            return "WEBHOOK_URL leads to a private address, which WEBHOOK_ALLOW_PRIVATE does not allow"
        case _ if seconds >= ANSWERED_WITHIN:
            return f"no answer within {ANSWERED_WITHIN} seconds"
        case requests.ConnectTimeout():
            return f"no connection within {CONNECTED_WITHIN} seconds"
        case requests.Timeout():
            return f"no answer within {ANSWERED_WITHIN} seconds"
        case requests.exceptions.SSLError():
            return "the receiver's TLS certificate is not to be trusted"
        case _:
            return "the connection failed, or was closed before the answer"


# --- connections ----------------------------------------------------------------------------------


class _CutOff(HTTPConnection):
    """Closes the socket after ANSWERED_WITHIN. A socket timeout alone starts again with each byte that is received."""

    def _new_conn(self) -> socket.socket:
        began = monotonic()
        connected = super()._new_conn()
        # TLS wraps the socket and detaches it; a duplicate of the file descriptor stays usable here.
        self._handle = connected.dup()
        self._timer = Timer(began + ANSWERED_WITHIN - monotonic(), self._cut)
        self._timer.daemon = True
        self._timer.start()
        return connected

    def _cut(self) -> None:
        with suppress(OSError):
            self._handle.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        if hasattr(self, "_timer"):
            self._timer.cancel()
            self._handle.close()
        super().close()


class _SecureCutOff(_CutOff, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _CutOff


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureCutOff


class _Adapter(HTTPAdapter):
    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}


class _PublicOnly(_Adapter, IPFilterAdapter):
    """Resolves the name once, refuses private addresses, and connects to the checked one (against DNS rebinding)."""


def _session() -> requests.Session:
    config = Config(
        ip_filter_enable=False,  # done by our own adapters below
        ip_filter_allow_loopback_ips=False,
        never_redirect=True,
        default_timeout=(CONNECTED_WITHIN, ANSWERED_WITHIN),
    )
    session: requests.Session = HTTPSession(config)
    # Ignore proxies and .netrc passwords of the operating system user.
    session.trust_env = False
    for scheme in ("http", "https"):
        public_only = not settings.WEBHOOK_ALLOW_PRIVATE
        adapter: HTTPAdapter = _PublicOnly(scheme == "https") if public_only else _Adapter()
        session.mount(f"{scheme}://", adapter)
    return session
