"""Middleware: the request id and the entry point, and Django's middleware for browsers, which API paths skip."""

import re
from collections.abc import Callable, Mapping
from http import HTTPStatus
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY, get_user, load_backend
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.messages.middleware import MessageMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.middleware.csp import ContentSecurityPolicyMiddleware
from django.middleware.locale import LocaleMiddleware
from django.utils.crypto import constant_time_compare
from django.utils.functional import SimpleLazyObject
from whitenoise.middleware import WhiteNoiseMiddleware
from whitenoise.responders import StaticFile

from common import access_log, etags
from common.compression import compressed, is_compressed_type, with_fixed_body
from common.entry_points import EntryPoint, called_through
from common.languages import understood
from common.server.measuring import ROUTE

type GetResponse = Callable[[HttpRequest], HttpResponseBase]

REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}", re.ASCII)


def request_id_of(meta: Mapping[str, Any]) -> str:
    """The id that the caller gave to the request, if well-formed; else a new one. `meta` is the request's environ.

    The server decides it when the request arrives.
    """
    if (known := meta.get(access_log.REQUEST_ID)) is not None:
        return str(known)
    sent: str = meta.get("HTTP_X_REQUEST_ID", "")
    return sent if REQUEST_ID.fullmatch(sent) else uuid4().hex


def with_common_headers[Response: HttpResponseBase](response: Response, request_id: str) -> Response:
    """`response` with the headers that every answer has."""
    response.headers["X-Request-ID"] = request_id
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    if not response.streaming and response.status_code != HTTPStatus.NOT_MODIFIED:
        response.headers.setdefault("Content-Length", str(len(response.content)))  # type: ignore[attr-defined]
    return response


def mark_entry_point(get_response: GetResponse) -> GetResponse:
    """Give the request an id (the caller's, if well-formed), record its entry point, and compress its answer."""
    admin = settings.ADMIN_PREFIX

    def middleware(request: HttpRequest) -> HttpResponseBase:
        request_id = request_id_of(request.META)
        point = EntryPoint.ADMIN if request.path_info.startswith(admin) else EntryPoint.API
        with called_through(point, request_id, request.META):
            response = get_response(request)
        if request.resolver_match is not None:
            request.META[ROUTE] = request.resolver_match.route
        elif request.path_info.startswith(settings.STATIC_URL):
            request.META[ROUTE] = f"{settings.STATIC_URL}<path>"
        access_log.note_user(request)
        return with_common_headers(compressed(response, request.META), request_id)

    return middleware


class ForBrowsers:
    """Skips a middleware on API paths, where each call carries its token and nothing lives in a session.

    The first of several that follow each other skips all of them.
    """

    def __init__(self, get_response: GetResponse) -> None:
        super().__init__(get_response)  # type: ignore[call-arg]
        following = getattr(get_response, "__wrapped__", None)  # Django wraps each middleware in an error handler
        self._answer_api: GetResponse = following._answer_api if isinstance(following, ForBrowsers) else get_response
        self._api = settings.API_PREFIX

    def __call__(self, request: HttpRequest) -> Any:
        if request.path_info.startswith(self._api):
            return self._answer_api(request)
        return super().__call__(request)  # type: ignore[misc]


class BrowserPolicyMiddleware(ForBrowsers, ContentSecurityPolicyMiddleware):
    """`settings.SECURE_CSP` for what is served outside the API, `settings.ADMIN_CSP` for the admin."""

    def process_response(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        if request.path_info.startswith(settings.ADMIN_PREFIX) and not hasattr(response, "_csp_config"):
            response._csp_config = settings.ADMIN_CSP  # type: ignore[attr-defined]
        return super().process_response(request, response)


class BrowserStaticMiddleware(ForBrowsers, WhiteNoiseMiddleware):
    """Serves static files, texts among them in a form that can be compressed.

    WhiteNoise itself would need compressed files beside those of the installed packages.
    """

    @staticmethod
    def serve(static_file: Any, request: HttpRequest) -> HttpResponse:
        asked = SimpleNamespace(method=request.method, META=_for_whitenoise(static_file, request.META))
        if request.method in ("GET", "HEAD"):
            # For a HEAD too, whose headers are those of a GET.
            found = static_file.get_response("HEAD", asked.META)
            headers = dict(found.headers)
            if found.status == 200 and is_compressed_type(headers["Content-Type"]):
                body = Path(static_file.get_path_and_headers({})[0]).read_bytes()
                fixed = HttpResponse(body, headers=headers)
                return with_fixed_body(fixed, f"{request.path_info} {static_file.etag}")
        return WhiteNoiseMiddleware.serve(static_file, asked)


def _for_whitenoise(static_file: StaticFile, meta: Mapping[str, Any]) -> dict[str, Any]:
    """The conditions of a request, without Accept-Encoding.

    WhiteNoise compares entity tags as plain text and ignores If-Range.
    """
    kept = {name: meta[name] for name in ("HTTP_IF_MODIFIED_SINCE", "HTTP_RANGE") if name in meta}
    if (sent := meta.get("HTTP_IF_NONE_MATCH")) is not None:
        kept["HTTP_IF_NONE_MATCH"] = static_file.etag if etags.is_known(sent, static_file.etag) else ""
    if meta.get("HTTP_IF_RANGE", static_file.etag) != static_file.etag:
        kept.pop("HTTP_RANGE", None)
    return kept


class BrowserSessionMiddleware(ForBrowsers, SessionMiddleware):
    pass


class BrowserLocaleMiddleware(ForBrowsers, LocaleMiddleware):
    def process_request(self, request: HttpRequest) -> None:
        if accepted := request.META.get("HTTP_ACCEPT_LANGUAGE"):
            request.META["HTTP_ACCEPT_LANGUAGE"] = understood(accepted)
        super().process_request(request)


class BrowserAuthenticationMiddleware(ForBrowsers, AuthenticationMiddleware):
    """As Django's, but a session from before a change of SECRET_KEY keeps its key.

    Django gives it a new one at the next request. Another request of the same browser that comes at that moment has
    the old one, and its answer ends the session. While several hosts are restarted with other keys, that would be
    repeated at each change of host.
    """

    def process_request(self, request: HttpRequest) -> None:
        super().process_request(request)
        if settings.SECRET_KEY_FALLBACKS:
            user: Any = SimpleLazyObject(lambda: _user_of_fallback(request) or get_user(request))
            request.user = user


def _user_of_fallback(request: HttpRequest) -> Any:
    """The user of a session whose hash was made with one of SECRET_KEY_FALLBACKS; else None."""
    written = request.session.get(HASH_SESSION_KEY)
    if not written or request.session.get(BACKEND_SESSION_KEY) not in settings.AUTHENTICATION_BACKENDS:
        return None
    backend = load_backend(request.session[BACKEND_SESSION_KEY])
    user: Any = backend.get_user(request.session[SESSION_KEY])
    if user is None or not any(constant_time_compare(written, each) for each in user.get_session_auth_fallback_hash()):
        return None
    return user


class BrowserMessageMiddleware(ForBrowsers, MessageMiddleware):
    pass
