"""Errors of the OpenAPI document: all codes, and the answers of each operation with the codes that it can have."""

from collections.abc import Collection, Iterator
from functools import cache

from django.apps import apps

from common.api import HTTP_CODES, JSON, PROBLEM_JSON, TITLES, status_of
from common.refusals import Refusal, TooMany, every_refusal
from common.schema.components import Schema
from common.schema.headers import (
    AUTHENTICATE,
    ERROR_CODE,
    OPTIONAL_RETRY_AFTER,
    RETRY_AFTER,
    header_ref,
    headers_of_answer,
)

CODES_EXTENSION = "x-error-codes"  # of a response: those of its codes that the operation can have

HTTP_MEANINGS = {
    400: "the body is not JSON, or the request is malformed in another way",
    405: "the address does not support this method; `Allow` lists the supported ones",
    408: "the body did not arrive in time",
    413: "the body is larger than the operation takes",
    414: "path and query are longer than the server reads",
    415: "the operation does not take this content type, or the body is compressed",
    431: "the headers are larger than the server reads",
    500: "an internal error; the logs have the details under the request id",
}


def kinds() -> Iterator[type[Refusal]]:
    """Every refusal that the apps define."""
    for kind in every_refusal():
        if apps.get_containing_app_config(kind.__module__):
            yield kind


def codes() -> dict[str, tuple[int, str]]:
    """Every `X-Error-Code`, with its status and its meaning."""
    found = {code: (status, HTTP_MEANINGS.get(status, "")) for status, code in HTTP_CODES.items()}
    for kind in kinds():
        # Only classes that define `code` themselves; subclasses inherit the code of their parent.
        if "code" in vars(kind):
            found[kind.code] = status_of(kind), str(kind.message)
    return dict(sorted(found.items(), key=lambda item: (item[1][0], item[0])))


@cache
def codes_to_wait_for() -> frozenset[str]:
    """The codes of errors with a `Retry-After`."""
    waiting = {kind.code for kind in every_refusal() if issubclass(kind, TooMany) or hasattr(kind, "retry_after")}
    return frozenset(waiting | {HTTP_CODES[status] for status in (429, 503)})


def headers_of_error(status: int, codes: Collection[str]) -> Schema:
    headers = {ERROR_CODE: header_ref(ERROR_CODE)} | headers_of_answer()
    if status == 401:
        headers[AUTHENTICATE] = header_ref(AUTHENTICATE)
    if waiting := codes_to_wait_for().intersection(codes):
        headers[RETRY_AFTER] = header_ref(RETRY_AFTER if len(waiting) == len(codes) else OPTIONAL_RETRY_AFTER)
    return headers


def error_response(status: int, codes: Collection[str]) -> Schema:
    """The response object of a status: both forms of the body. `common/examples.py` adds an example for each code."""
    return {
        "description": TITLES[status],
        "headers": headers_of_error(status, codes),
        "content": {
            JSON: {"schema": {"$ref": "#/components/schemas/Failure"}},
            PROBLEM_JSON: {"schema": {"$ref": "#/components/schemas/Problem"}},
        },
        CODES_EXTENSION: list(codes),
    }
