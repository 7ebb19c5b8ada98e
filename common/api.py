"""Answers over HTTP: the envelope, problem+json, and the status code of each refusal and exception."""

import logging
import sys
from collections.abc import Mapping, Sequence
from typing import IO, Any, ClassVar

import orjson
from django.conf import settings
from django.core.exceptions import (
    BadRequest,
    RequestDataTooBig,
    SuspiciousOperation,
    TooManyFieldsSent,
    TooManyFilesSent,
)
from django.core.exceptions import PermissionDenied as DjangoPermissionDenied
from django.core.signals import got_request_exception
from django.db import connection
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, override
from rest_framework import exceptions, parsers, renderers
from rest_framework.response import Response

from common import error_pages, etags
from common.accept import rank
from common.entry_points import current_context
from common.keys import shown
from common.languages import preferred_language
from common.postgres.faults import close_after, is_unavailable
from common.postgres.pool import NoConnectionFree
from common.refusals import (
    BadInput,
    Conflict,
    Forbidden,
    Invalid,
    Missing,
    PreconditionUnmet,
    Refusal,
    TooMany,
    Unauthenticated,
    Unavailable,
    Unprocessable,
)
from common.server.threads import ServerBusy
from common.times import wire_now

logger = logging.getLogger(__name__)

JSON = "application/json"
PROBLEM_JSON = "application/problem+json"

MOST_REASONS = 20  # lines of an error answer, besides its title

# errors[0] of each status. Not translated, because clients compare it.
TITLES: dict[int, str] = {
    400: "Validation failed",
    401: "Authentication required",
    403: "Insufficient permissions",
    404: "Resource not found",
    405: "Method not allowed",
    408: "Request timeout",
    409: "Resource already exists or cannot be changed in its current state",
    412: "Precondition failed",
    413: "Payload too large",
    414: "URI too long",
    415: "Unsupported media type",
    422: "Request cannot be processed",
    429: "Too many requests",
    431: "Request header fields too large",
    500: "Internal server error",
    503: "Service unavailable",
}

STATUSES: dict[type[Refusal], int] = {
    BadInput: 400,
    Unauthenticated: 401,
    Forbidden: 403,
    Missing: 404,
    Conflict: 409,
    PreconditionUnmet: 412,
    Unprocessable: 422,
    TooMany: 429,
    Unavailable: 503,
}

# Codes of errors that are no refusals of a service.
HTTP_CODES: dict[int, str] = {
    400: "malformed_request",
    401: "authentication_required",
    403: "insufficient_permissions",
    404: "not_found",
    405: "method_not_allowed",
    408: "request_timeout",
    413: "payload_too_large",
    414: "uri_too_long",
    415: "unsupported_media_type",
    429: "too_many_requests",
    431: "headers_too_large",
    500: "internal_error",
    503: "service_unavailable",
}


class ServerRefusal(exceptions.APIException):
    """Raised by the server before any view, where no language is active: its text is made when it is answered."""

    def __init__(self, **values: Any) -> None:
        self.values = values

    @property
    def detail(self) -> str:  # type: ignore[override]  # DRF makes it when the exception is raised
        return str(self.default_detail) % self.values


class PayloadTooLarge(ServerRefusal):
    status_code = 413
    default_code = "payload_too_large"
    default_detail = gettext_lazy("body: must be at most %(limit)d bytes")

    def __init__(self, limit: int) -> None:
        super().__init__(limit=limit)


class RequestTimeout(ServerRefusal):
    status_code = 408
    default_code = "request_timeout"
    default_detail = gettext_lazy("the body did not arrive in time")


class UriTooLong(ServerRefusal):
    status_code = 414
    default_code = "uri_too_long"
    default_detail = gettext_lazy("path and query: must have at most %(limit)d characters")

    def __init__(self, limit: int) -> None:
        super().__init__(limit=limit)


class HeadersTooLarge(ServerRefusal):
    status_code = 431
    default_code = "headers_too_large"
    default_detail = gettext_lazy("headers: must have at most %(limit)d characters altogether")

    def __init__(self, limit: int) -> None:
        super().__init__(limit=limit)


class UnsupportedEncoding(exceptions.APIException):
    """A compressed body. The answer names the encoding that is accepted: RFC 9110, section 15.5.16."""

    status_code = 415
    default_code = "unsupported_media_type"
    headers: ClassVar = {"Accept-Encoding": "identity"}

    def __init__(self, encoding: str) -> None:
        reason = _("Content-Encoding: %(encoding)s is not read; send the body without it")
        super().__init__(reason % {"encoding": shown(encoding)})


def status_of(refusal: Refusal | type[Refusal]) -> int:
    kind = refusal if isinstance(refusal, type) else type(refusal)
    return next(STATUSES[parent] for parent in kind.__mro__ if parent in STATUSES)


def envelope(status: int, data: Any, errors: Sequence[str] = ()) -> bytes:
    return orjson.dumps(
        {
            "isSuccess": status < 400,
            "statusCode": status,
            "data": data,
            "errors": errors,
            "timestamp": wire_now(),
        }
    )


def error_body(status: int, code: str, reasons: Sequence[str], *, as_problem: bool) -> bytes:
    """An error in the envelope, or as problem details (RFC 9457)."""
    reasons = first_of(reasons)
    if not as_problem:
        return envelope(status, None, [TITLES[status], *reasons])
    return orjson.dumps(
        {
            "type": settings.PROBLEM_TYPE_PREFIX + code,
            "title": TITLES[status],
            "status": status,
            "detail": "; ".join(reasons) or TITLES[status],
            "code": code,
            "errors": reasons,
            "requestId": current_context().request_id,
        }
    )


def error_answer(
    meta: Mapping[str, Any],
    status: int,
    code: str,
    reasons: Sequence[str] = (),
    headers: Mapping[str, str] | None = None,
) -> HttpResponse:
    accept = meta.get("HTTP_ACCEPT", "")
    as_problem = rank(accept, PROBLEM_JSON)[0] > rank(accept, JSON)[0]
    response = HttpResponse(
        error_body(status, code, reasons, as_problem=as_problem),
        status=status,
        content_type=PROBLEM_JSON if as_problem else JSON,
        headers={"X-Error-Code": code, "Cache-Control": etags.NOT_STORED, **(headers or {})},
    )
    if status == 503:
        response.headers.setdefault("Retry-After", str(Unavailable.retry_after))
    return response


def success_answer(data: Any, status: int = 200) -> HttpResponse:
    headers = {"Cache-Control": etags.NOT_STORED}
    return HttpResponse(envelope(status, data), status=status, content_type=JSON, headers=headers)


# --- DRF's renderer, parser and exception handler --------------------------------------------------


class EnvelopeRenderer(renderers.BaseRenderer):
    media_type = JSON
    format = "json"
    charset = None

    def render(self, data: Any, accepted_media_type: Any = None, renderer_context: Any = None) -> bytes:
        status = renderer_context["response"].status_code if renderer_context else 200
        return envelope(status, data)


class JSONParser(parsers.BaseParser):
    media_type = JSON

    def parse(self, stream: IO[bytes], media_type: Any = None, parser_context: Any = None) -> Any:
        try:
            return orjson.loads(stream.read())
        except orjson.JSONDecodeError as error:
            raise exceptions.ParseError(
                _("body: is not JSON: %(problem)s at line %(line)d, column %(column)d")
                % {"problem": error.msg.split(":")[0], "line": error.lineno, "column": error.colno}
            ) from error


def first_of(reasons: Sequence[str]) -> Sequence[str]:
    """At most MOST_REASONS lines; where there are more reasons, the last line says how many are not listed."""
    if len(reasons) <= MOST_REASONS:
        return reasons
    listed = reasons[: MOST_REASONS - 1]
    return [*listed, _("and %(count)d more") % {"count": len(reasons) - len(listed)}]


def reasons_of(detail: Any, field: str = "") -> list[str]:
    """DRF's nested error details as `field: rule` lines."""
    if isinstance(detail, Mapping):
        inner = [(key if key != "non_field_errors" else "", value) for key, value in detail.items()]
    elif isinstance(detail, list):
        inner = [("", part) if isinstance(part, str) else (str(at), part) for at, part in enumerate(detail)]
    else:
        return [f"{field}: {detail}" if field else str(detail)]
    lines = []
    for name, part in inner:
        lines += reasons_of(part, ".".join(filter(None, [field, str(name)])))
    return lines


def expected_status(error: Exception) -> int | None:
    """The status of an error that a request may cause; None for a failure of the service."""
    match error:
        case Refusal():
            return status_of(error)
        case exceptions.APIException():
            return error.status_code
        case Http404():
            return 404
        case DjangoPermissionDenied():
            return 403
    return None


def refuse(error: Exception, context: Mapping[str, Any]) -> HttpResponse:
    """DRF's exception handler: every exception becomes an answer in the envelope."""
    request: HttpRequest = context["request"]._request
    meta = request.META
    match error:
        case exceptions.MethodNotAllowed():
            allowed = ", ".join(context["view"].allowed_methods)
            reason = _("allowed here: %(methods)s") % {"methods": allowed}
            return error_answer(meta, 405, HTTP_CODES[405], [reason], {"Allow": allowed})
        case exceptions.UnsupportedMediaType():
            types = ", ".join(parser.media_type for parser in context["view"].parser_classes)
            return error_answer(meta, 415, HTTP_CODES[415], [_("send the body as: %(types)s") % {"types": types}])
    return answer_to(error, meta, request)


def answer_to(  # noqa: C901 - a flat table of kinds
    error: Exception, meta: Mapping[str, Any], request: HttpRequest | None = None
) -> HttpResponse:
    """The answer to a request that failed with `error`. `meta` is the request's environ."""
    match error:
        case Refusal():
            status = status_of(error)
            headers = {"WWW-Authenticate": "Bearer"} if status == 401 else {}
            if retry_after := getattr(error, "retry_after", None):
                headers["Retry-After"] = str(retry_after)
            return error_answer(meta, status, error.code, error.reasons, headers)
        case exceptions.ValidationError():
            return error_answer(meta, 400, Invalid.code, reasons_of(error.detail))
        case Http404():
            return error_answer(meta, 404, Missing.code, [str(Missing.message)])
        case DjangoPermissionDenied():
            return error_answer(meta, 403, Forbidden.code, [str(Forbidden.message)])
        case exceptions.NotAuthenticated() | exceptions.AuthenticationFailed():
            reasons = [str(Unauthenticated.message)]
            return error_answer(meta, 401, Unauthenticated.code, reasons, {"WWW-Authenticate": "Bearer"})
        case exceptions.APIException():
            code = HTTP_CODES.get(error.status_code, "malformed_request")
            named = getattr(error, "headers", None)
            return error_answer(meta, error.status_code, code, reasons_of(error.detail), named)
        case _ if is_unavailable(error):
            logger.error("the database does not answer: %s", error)
            close_after(error, connection)
            refusal = ServerBusy if isinstance(error.__cause__, NoConnectionFree) else Unavailable
            return error_answer(meta, 503, refusal.code, [str(refusal.message)])
        case RequestDataTooBig():
            return error_answer(meta, 413, HTTP_CODES[413])
        case BadRequest() | SuspiciousOperation() | TooManyFilesSent():
            limit = settings.DATA_UPLOAD_MAX_NUMBER_FIELDS
            reason = _("at most %(limit)d values may be sent") % {"limit": limit}
            return error_answer(meta, 400, HTTP_CODES[400], [reason] if isinstance(error, TooManyFieldsSent) else [])
    logger.error("a request failed", exc_info=error)
    got_request_exception.send(sender=None, request=request)
    return error_answer(meta, 500, HTTP_CODES[500])


def read_answer(response: Response, meta: Mapping[str, Any], *, is_personal: bool) -> HttpResponse:
    """The answer to a read: in the envelope, or 304 if the caller has the data already.

    The tag is that of the data, because the timestamp of the envelope changes with each answer.
    """
    data = orjson.dumps(response.data)
    etag = etags.etag_of(data)
    headers = response.headers
    headers["ETag"] = etag
    headers["Cache-Control"] = etags.ALWAYS_REVALIDATED[is_personal]
    headers["Vary"] = etags.VARY
    if (known := meta.get("HTTP_IF_NONE_MATCH")) and etags.is_known(known, etag):
        return etags.not_modified(response)
    headers["Content-Type"] = JSON
    response.content = envelope(200, orjson.Fragment(data))
    return response


def finished(response: Response, renderer: renderers.BaseRenderer) -> Response:
    """Render now, so that the response keeps no reference to the view and its request."""
    response.headers["Content-Type"] = renderer.media_type
    response.headers.setdefault("Cache-Control", etags.NOT_STORED)
    response.content = renderer.render(response.data, renderer.media_type, {"response": response})
    return response


# --- outside DRF ----------------------------------------------------------------------------------


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    if error_pages.is_inside(request):
        return error_pages.bad_request(request, exception)
    return error_answer(request.META, 400, HTTP_CODES[400])


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    if error_pages.is_inside(request):
        return error_pages.error_page(request, 403)
    with override(preferred_language(request.META)):
        return error_answer(request.META, 403, HTTP_CODES[403], [str(Forbidden.message)])


def unknown_address(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    if error_pages.is_inside(request):
        return error_pages.error_page(request, 404)
    with override(preferred_language(request.META)):
        return error_answer(request.META, 404, Missing.code, [_("there is no such address")])


def crashed(request: HttpRequest) -> HttpResponse:
    """Django calls this while it handles the exception of a view outside DRF."""
    error = sys.exception()
    if error_pages.is_inside(request):
        return error_pages.crashed(request, error)
    if isinstance(error, Exception) and is_unavailable(error):
        with override(preferred_language(request.META)):
            return answer_to(error, request.META, request)
    logger.error("a request failed", exc_info=error)
    return error_answer(request.META, 500, HTTP_CODES[500])
