"""Middleware and views that fail with all that the client has sent in their errors, as careless code does."""

import logging
from collections.abc import Callable
from typing import Any, NoReturn

from django.db import connection
from django.http import HttpRequest, HttpResponse
from rest_framework.request import Request

from common.views import ApiViewSet

LEAK = "HTTP_X_LEAK"  # `outside` or `inside` of the views of the API

logger = logging.getLogger(__name__)


def fail(request: HttpRequest) -> NoReturn:
    sent = request.META | {"body": request.META["wsgi.input"].getvalue(), "path": request.get_full_path()}
    everything = {name: value for name, value in sent.items() if isinstance(value, str | bytes)}
    # What a client sent, as it is, in a collection, decoded, and from PostgreSQL.
    logger.warning("cannot answer %s with %r", request.get_full_path(), everything)
    logger.warning("cannot answer %(path)s", {"path": request.path})
    for value in (request.path, request.META["QUERY_STRING"], sent["body"].decode(errors="replace")):
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT %s::text::int", [value.replace("\0", "")])
        except Exception as error:
            logger.exception("the database refuses %s", value)
            logger.warning("it says %s", error)
            last: Exception = error
    first = next(iter(request.COOKIES.values()), "")
    raise ExceptionGroup(f"cannot answer {everything}", [RuntimeError(first), KeyError(str(request.GET))]) from last


def leaking(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    initial = ApiViewSet.initial

    def leaking_initial(view: ApiViewSet, request: Request, *args: Any, **kwargs: Any) -> None:
        if request._request.META.get(LEAK) == "inside":
            fail(request._request)
        initial(view, request, *args, **kwargs)

    setattr(ApiViewSet, "initial", leaking_initial)  # noqa: B010 - the type checker compares names of arguments

    def middleware(request: HttpRequest) -> HttpResponse:
        return fail(request) if request.META.get(LEAK) == "outside" else get_response(request)

    return middleware
