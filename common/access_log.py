"""The access log: one line of JSON for each request that was answered.

Of the request itself a line has only what cannot be a secret: no path (its route instead), no query, no header but the
request id. The line is made without the logging module, whose records and processors would cost a tenth of a read.
"""

import logging
from collections.abc import Iterable, Mapping
from random import random
from time import perf_counter
from typing import Any

import orjson
from django.conf import settings
from django.http import HttpRequest
from django.utils.functional import LazyObject

from common import tracing
from common.addresses import shown_address
from common.log_stream import LogStreamHandler
from common.times import wire_now

# In the environ of a request.
BEGAN = "access_log.began"  # on the clock of `perf_counter`
ROUTE = "access_log.route"
USER = "access_log.user"
REQUEST_ID = "access_log.request_id"

# Clients choose the method freely, so another one could be anything.
METHODS = frozenset(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
HEALTH_ROUTES = frozenset(["/healthz", "/readyz"])
CLIENT_GONE = "client_gone"


def begin(environ: dict[str, Any], request_id: str) -> None:
    """Call it when a request has arrived."""
    environ[BEGAN] = perf_counter()
    environ[REQUEST_ID] = request_id
    tracing.begin_request(environ)


def note(request: HttpRequest) -> None:
    """Note what only Django knows: the route and the user. Call it when the answer is made; it reads no user."""
    meta, match = request.META, request.resolver_match
    if match is not None and not match.route.startswith("^"):  # no route has matched: it is any address of the API
        meta[ROUTE] = f"/{match.route}"
    elif request.path_info.startswith(settings.STATIC_URL):
        meta[ROUTE] = f"{settings.STATIC_URL}<path>"
    # Of a session, only if something has read its user.
    user = getattr(request, "_cached_user", None) or vars(request).get("user")
    if user is not None and not isinstance(user, LazyObject):
        meta[USER] = user.pk


def write(environ: dict[str, Any], status: int | None, headers: Iterable[tuple[str, str]] = ()) -> None:
    """Write the line of an answer, if the settings want one, and end its span.

    `status` is None if the client left before it.
    """
    is_wanted = _is_wanted(environ, status)
    if not is_wanted and tracing.SPAN not in environ:
        return
    method = environ["REQUEST_METHOD"]
    facts = {
        "event": "request",
        "request_id": environ[REQUEST_ID],
        "address": shown_address(environ, settings.LOG_CLIENT_ADDRESS),
        "user_id": environ.get(USER),
        "method": method if method in METHODS else "other",
        "route": environ.get(ROUTE),
        "status": status,
        "code": _code(status, headers),
        "duration_ms": round((perf_counter() - environ[BEGAN]) * 1000, 2),
        "level": "info",
        "logger": "access",
        "timestamp": wire_now(),
    }
    tracing.end_request(environ, facts)
    handler = logging.getHandlerByName("console")
    if is_wanted and isinstance(handler, LogStreamHandler) and handler.lock is not None:
        line = orjson.dumps(facts).decode()
        with handler.lock:
            handler.write_line(line)


def _is_wanted(environ: Mapping[str, Any], status: int | None) -> bool:
    if not settings.ACCESS_LOG:
        return False
    if environ.get(ROUTE) in HEALTH_ROUTES and not settings.ACCESS_LOG_HEALTH:
        return False
    sample: float = settings.ACCESS_LOG_SAMPLE
    return status is None or status >= 400 or sample >= 1 or random() < sample


def _code(status: int | None, headers: Iterable[tuple[str, str]]) -> str | None:
    if status is None:
        return CLIENT_GONE
    if status < 400:
        return None
    return next((value for name, value in headers if name == "X-Error-Code"), None)
