"""The access log: one line of JSON for each request that was answered.

Of the request itself a line has only what cannot be a secret: no path (its route instead), no query, no header but the
request id. The line is made without the logging module, whose records and processors would cost a tenth of a read.
"""

import logging
from collections.abc import Iterable
from random import random
from typing import Any

import orjson
from django.conf import settings
from django.http import HttpRequest
from django.utils.functional import LazyObject

from common import tracing
from common.addresses import shown_address
from common.log_stream import LogStreamHandler
from common.server import measuring
from common.times import wire_now

# In the environ of a request.
USER = "access_log.user"
REQUEST_ID = "access_log.request_id"


def begin(environ: dict[str, Any], request_id: str) -> None:
    """Call it when a request has arrived, after `measuring.begin`."""
    environ[REQUEST_ID] = request_id
    if environ["PATH_INFO"] not in measuring.HEALTH_ROUTES:
        tracing.begin_request(environ)


def note_user(request: HttpRequest) -> None:
    """Note the user, whom only Django knows; of a session, only if something has read its user."""
    user = getattr(request, "_cached_user", None) or vars(request).get("user")
    if user is not None and not isinstance(user, LazyObject):
        request.META[USER] = user.pk


def write(environ: dict[str, Any], status: int, headers: Iterable[tuple[str, str]] = ()) -> None:
    """Write the line of an answer, if the settings want one, and end its span."""
    route = measuring.route_of(environ)
    is_wanted = _is_wanted(route, status)
    if not is_wanted and tracing.SPAN not in environ:
        return
    facts = {
        "event": "request",
        "request_id": environ[REQUEST_ID],
        "address": shown_address(environ, settings.ACCESS_LOG.address),
        "user_id": environ.get(USER),
        "method": measuring.method_of(environ),
        "route": route,
        "status": status,
        "code": next((value for name, value in headers if name == "X-Error-Code"), None) if status >= 400 else None,
        "duration_ms": round(measuring.seconds_of(environ) * 1000, 2),
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


def _is_wanted(route: str, status: int) -> bool:
    chosen = settings.ACCESS_LOG
    if not chosen.is_on or (route in measuring.HEALTH_ROUTES and not chosen.has_health):
        return False
    return status >= 400 or chosen.sample >= 1 or random() < chosen.sample
