"""Middleware that lets a server process die (SIGKILL) at a chosen moment of a request, or be slow."""

import os
import signal
import time
from collections.abc import Callable
from typing import Any, NoReturn

from django.http import HttpRequest, HttpResponse

from common import idempotency

AT_ONCE = "/api/v1/killed"  # kills the process that answers it
SLOW = "/api/v1/slow"  # is answered with 404 after SLOW_SECONDS
SLOW_SECONDS = 3


def kill(*_: Any, **__: Any) -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("SIGKILL cannot be handled")


def killed_on_request(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    def middleware(request: HttpRequest) -> HttpResponse:
        return kill() if request.path == AT_ONCE else get_response(request)

    return middleware


def killed_before_commit(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """After the service has made its change, and before the answer is stored."""
    idempotency._store = kill
    return get_response


def killed_after_commit(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """After change and answer are committed, and before the client gets the answer."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        return kill() if idempotency.META in request.META else response

    return middleware


def slowed(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    def middleware(request: HttpRequest) -> HttpResponse:
        if request.path == SLOW:
            time.sleep(SLOW_SECONDS)
        return get_response(request)

    return middleware
