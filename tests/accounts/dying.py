"""A middleware that kills its process (SIGKILL) when the view of a refresh has returned."""

import os
import signal
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse


def killed_after_refresh(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        if request.path == "/api/v1/auth/refresh":
            os.kill(os.getpid(), signal.SIGKILL)
        return response

    return middleware
