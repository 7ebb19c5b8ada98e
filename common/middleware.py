"""Middleware: where a request comes from, and the browser's share that steps aside for the API."""

import re
from collections.abc import Callable
from typing import Any
from uuid import uuid4

from django.conf import settings
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.messages.middleware import MessageMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.middleware.clickjacking import XFrameOptionsMiddleware
from django.middleware.csrf import CsrfViewMiddleware
from django.middleware.locale import LocaleMiddleware
from django.middleware.security import SecurityMiddleware
from whitenoise.middleware import WhiteNoiseMiddleware

from common.languages import understood
from common.origin import Door, entering

type GetResponse = Callable[[HttpRequest], HttpResponseBase]

SANE_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}", re.ASCII)


def origin(get_response: GetResponse) -> GetResponse:
    """Give the request an id (the caller's, when it is sane) and say through which door it came."""
    admin = settings.ADMIN_PREFIX

    def middleware(request: HttpRequest) -> HttpResponseBase:
        request_id = request.META.get("HTTP_X_REQUEST_ID", "")
        if not SANE_REQUEST_ID.fullmatch(request_id):
            request_id = uuid4().hex
        with entering(Door.ADMIN if request.path_info.startswith(admin) else Door.API, request_id):
            response = get_response(request)
        response.headers["X-Request-ID"] = request_id
        response.headers.setdefault("X-Content-Type-Options", "nosniff")
        if not response.streaming:
            response.headers.setdefault("Content-Length", str(len(response.content)))  # type: ignore[attr-defined]
        return response

    return middleware


class ForBrowsers:
    """Skips a middleware on API paths, where each call carries its token and nothing lives in a session."""

    def __call__(self, request: HttpRequest) -> Any:
        if request.path_info.startswith(settings.API_PREFIX):
            return self.get_response(request)  # type: ignore[attr-defined]
        return super().__call__(request)  # type: ignore[misc]

    def process_view(self, request: HttpRequest, *args: Any) -> Any:
        if request.path_info.startswith(settings.API_PREFIX):
            return None
        inherited = getattr(super(), "process_view", None)
        return inherited(request, *args) if inherited else None


class BrowserSecurityMiddleware(ForBrowsers, SecurityMiddleware):
    pass


class BrowserStaticMiddleware(ForBrowsers, WhiteNoiseMiddleware):
    pass


class BrowserSessionMiddleware(ForBrowsers, SessionMiddleware):
    pass


class BrowserLocaleMiddleware(ForBrowsers, LocaleMiddleware):
    def process_request(self, request: HttpRequest) -> None:
        if accepted := request.META.get("HTTP_ACCEPT_LANGUAGE"):
            request.META["HTTP_ACCEPT_LANGUAGE"] = understood(accepted)
        super().process_request(request)


class BrowserCsrfMiddleware(ForBrowsers, CsrfViewMiddleware):
    pass


class BrowserAuthenticationMiddleware(ForBrowsers, AuthenticationMiddleware):
    pass


class BrowserMessageMiddleware(ForBrowsers, MessageMiddleware):
    pass


class BrowserFrameMiddleware(ForBrowsers, XFrameOptionsMiddleware):
    pass
