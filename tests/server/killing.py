"""Middleware that lets a server process die (SIGKILL) at a chosen moment of a request with an Idempotency-Key."""

import os
import signal
from collections.abc import Callable
from typing import Any, NoReturn

from django.http import HttpRequest, HttpResponse

from common import idempotency

AT_ONCE = "/api/v1/killed"  # kills the process that answers it


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
