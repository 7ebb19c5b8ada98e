"""Error pages of the admin: in its layout, in the language of the user, with the status codes of the API.

`common.api` calls this module for paths below `settings.ADMIN_PREFIX`.
"""

import logging
from collections.abc import Callable
from copy import copy
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.contrib import admin
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import BadRequest, RequestDataTooBig
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils.translation import get_language_from_request, override
from django.utils.translation import gettext_lazy as _

from common.entry_points import current_context
from common.postgres.faults import is_unavailable
from common.refusals import Unavailable

logger = logging.getLogger(__name__)

# Heading and advice of each status.
TEXTS: dict[int, tuple[Any, Any]] = {
    400: (
        _("This request is not understood"),
        _("A value in the address or in the form is not accepted here."),
    ),
    403: (
        _("You may not do this"),
        _("Your account lacks the permission. Ask who administers the accounts for it."),
    ),
    404: (_("There is no such page"), _("The address is wrong, or what it showed is not there any more.")),
    405: (_("This address is not for reading"), _("Open the page that leads to it, and use its buttons.")),
    413: (_("This is too large"), _("Send less at once, or a smaller file.")),
    500: (_("Something went wrong here"), _("The fault was recorded. Tell your operators the request id below.")),
    503: (_("The database does not answer"), _("Try again in a moment. Tell your operators if it lasts.")),
}
CSRF_TEXTS = (
    _("This form is not valid any more"),
    _("It was open for long, or your browser keeps no cookies. Go back, reload the page, and send the form again."),
)
UNAVAILABLE_TEXTS = (_("This does not work at the moment"), _("Try again later. Tell your operators if it lasts."))


class RefusedParameter(BadRequest):
    """A value in the query string that a page does not accept. Its message is translated and shown to the user."""


def is_inside(request: HttpRequest) -> bool:
    return request.path_info.startswith(settings.ADMIN_PREFIX)


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    if isinstance(exception, RequestDataTooBig):
        return error_page(request, 413)
    return error_page(request, 400, reason=str(exception) if isinstance(exception, RefusedParameter) else "")


def crashed(request: HttpRequest, exception: BaseException | None) -> HttpResponse:
    """Runs no query, because the database may be what failed."""
    if isinstance(exception, Unavailable):
        return error_page(_of_nobody(request), 503, texts=UNAVAILABLE_TEXTS, reason=str(exception.message))
    if exception is not None and is_unavailable(exception):
        logger.error("the database does not answer: %s", exception)
        return error_page(_of_nobody(request), 503)
    logger.error("a request failed", exc_info=exception)
    return error_page(_of_nobody(request), 500)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """For `settings.CSRF_FAILURE_VIEW`, on paths outside the admin too."""
    return error_page(request, 403, texts=CSRF_TEXTS)


def error_page(
    request: HttpRequest, status: int, *, texts: tuple[Any, Any] | None = None, reason: str = ""
) -> HttpResponse:
    """In the layout with the sidebar for those who may enter the admin, in that of the login page for others."""
    title, advice = texts or TEXTS.get(status) or (HTTPStatus(status).phrase, "")
    is_staff = hasattr(request, "user") and admin.site.has_permission(request)
    if not is_staff:
        request = _of_nobody(request)
    # Middleware has set it, unless it is what failed.
    with override(getattr(request, "LANGUAGE_CODE", None) or get_language_from_request(request)):
        context = {
            **admin.site.each_context(request),
            "title": title,
            "advice": advice,
            "reason": reason,
            "request_id": current_context().request_id if status >= 500 else "",
            "request_id_label": _("Request id"),
            "home_text": _("To the start of the admin"),
        }
        template = "admin/error.html" if is_staff else "admin/error_outside.html"
        return render(request, template, context, status=status)


def _of_nobody(request: HttpRequest) -> HttpRequest:
    """A copy of the request without its session and its user, which would be read from the database."""
    stranger = copy(request)
    stranger.user = AnonymousUser()
    return stranger


def framed(get_response: Callable[[HttpRequest], HttpResponseBase]) -> Callable[[HttpRequest], HttpResponseBase]:
    """Middleware that adds a page to errors of the admin which Django answers with an empty body, such as 405.

    It also refuses null characters in the query string, for all pages: PostgreSQL raises an error for a comparison
    with one.
    """

    def middleware(request: HttpRequest) -> HttpResponseBase:
        if not is_inside(request):
            return get_response(request)
        if (name := _parameter_with_null(request)) is not None:
            return error_page(request, 400, reason=_("%(name)s: null characters are not allowed") % {"name": name})
        response = get_response(request)
        if response.status_code < 400 or not isinstance(response, HttpResponse) or response.content:
            return response
        page = error_page(request, response.status_code)
        for name, value in response.headers.items():
            if name not in {"Content-Type", "Content-Length"}:
                page.headers[name] = value
        return page

    return middleware


def _parameter_with_null(request: HttpRequest) -> str | None:
    """The name of a query parameter that has a null character in its name or its value."""
    if "%00" not in request.META["QUERY_STRING"]:
        return None
    return next(
        (name.replace("\0", "") for name, values in request.GET.lists() if "\0" in "".join([name, *values])), None
    )
