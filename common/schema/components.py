"""Parts of the OpenAPI document that operations share: the two forms of an error, headers, ids and times."""

from functools import cache
from typing import Any

from django.conf import settings
from drf_spectacular.plumbing import ResolvedComponent

from common import etags, idempotency, preconditions
from common.api import HTTP_CODES, JSON, PROBLEM_JSON, TITLES
from common.cursors import PATTERN as CURSOR_PATTERN
from common.fields import OBJECT_ID
from common.list_statements import EXACT_UP_TO
from common.pagination import NEXT_CURSOR, TOTAL_COUNT
from common.rate_limits.policies import POLICY_HEADER, STANDING_HEADER
from common.refusals import TooMany, every_refusal

type Schema = dict[str, Any]
# The codes of one status, each with the reasons in its example.
type Codes = dict[str, list[str]]

EXAMPLE_ID = "673ac9e2c93fe18d3fdd23f1"
EXAMPLE_TIME = "2026-01-15T10:30:00.000Z"
EXAMPLE_REQUEST_ID = "0b8c8d0e4d2f4b0f9d3a5c1e7f6a2b34"
EXAMPLE_CURSOR = "AUx2Z9q0hAAGSBa7p8PAZzrJ4sk_4Y0_3SPx"

ID: Schema = {"type": "string", "pattern": f"^{OBJECT_ID.pattern}$", "examples": [EXAMPLE_ID]}
WRITTEN_TIME: Schema = {
    "type": "string",
    "format": "date-time",
    "pattern": r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z$",
    "examples": [EXAMPLE_TIME],
}
READ_TIME: Schema = {
    "type": "string",
    "format": "date-time",
    "description": "With a time zone.",
    "examples": [EXAMPLE_TIME],
}
FAILURE: Schema = {
    "type": "object",
    "description": "An error. `errors[0]` follows from the status in every language; the rest is for people.",
    "properties": {
        "isSuccess": {"type": "boolean", "const": False},
        "statusCode": {"type": "integer", "description": "Equals the HTTP status."},
        "data": {"type": "null"},
        "errors": {"type": "array", "items": {"type": "string"}, "minItems": 1},
        "timestamp": WRITTEN_TIME,
    },
    "required": ["isSuccess", "statusCode", "data", "errors", "timestamp"],
    "additionalProperties": False,
}
PROBLEM: Schema = {
    "type": "object",
    "description": "An error after RFC 9457, if the request has `Accept: application/problem+json`.",
    "properties": {
        "type": {"type": "string", "format": "uri", "pattern": f"^{settings.PROBLEM_TYPE_PREFIX}"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "string"},
        "errors": {"type": "array", "items": {"type": "string"}},
        "requestId": {"type": "string"},
    },
    "required": ["type", "title", "status", "detail", "code", "errors", "requestId"],
    "additionalProperties": False,
}
REQUEST_ID: Schema = {
    "description": "Identifies this request in the logs and the audit trail: the caller's, if it sent a valid one.",
    "required": True,
    "schema": {"type": "string", "pattern": "^[A-Za-z0-9._:-]{1,64}$", "examples": [EXAMPLE_REQUEST_ID]},
}
BEARER: Schema = {"required": True, "schema": {"type": "string", "const": "Bearer"}}
ETAG: Schema = {
    "description": "Changes with the data. Send it back as `If-None-Match`, or as `If-Match` of a change.",
    "required": True,
    "schema": {"type": "string", "pattern": '^(W/)?"[^"]*"$', "examples": ['"2f9a4c5e7b6d8f1a"']},
}
RETRY_AFTER: Schema = {
    "description": "Seconds to wait before trying again.",
    "required": True,
    "schema": {"type": "integer", "minimum": 0, "examples": [1]},
}
RATE_LIMIT_POLICY: Schema = {
    "description": "The limits for which this call counts: `q` calls in `w` seconds. Absent without limits.",
    "required": False,
    "schema": {"type": "string", "examples": ['"write";q=600;w=60, "address";q=60000;w=60']},
}
RATE_LIMIT: Schema = {
    "description": "The limit with the fewest calls left: `r` calls until it begins anew, in `t` seconds.",
    "required": False,
    "schema": {"type": "string", "pattern": r'^"[a-z-]+";r=\d+;t=\d+$', "examples": ['"write";r=599;t=60']},
}

IF_NONE_MATCH: Schema = {
    "name": etags.IF_NONE_MATCH,
    "in": "header",
    "description": "The `ETag` of the answer that the caller has, or several. If it is still the current one, the "
    "answer is 304 without a body.",
    "required": False,
    "schema": {"type": "string", "examples": ['"2f9a4c5e7b6d8f1a"']},
}
IF_MATCH: Schema = {
    "name": preconditions.HEADER,
    "in": "header",
    "description": "The `ETag` with which the caller has read the object. If the object has another one now, nothing "
    "is changed, and the answer is 412. `*` stands for every version of an object that exists.",
    "required": False,
    "schema": {"type": "string", "pattern": r'^\s*(\*|.*"[^"]*".*)$', "examples": ['"2f9a4c5e7b6d8f1a"']},
}
IDEMPOTENCY_KEY: Schema = {
    "name": idempotency.HEADER,
    "in": "header",
    "description": "Makes a repeat safe: with the same key, the same request gets the first answer again. Take a new "
    "random one, such as a UUID, for each change.",
    "required": False,
    "schema": {
        "type": "string",
        "pattern": f"^{idempotency.KEY.pattern}$",
        "examples": ["7f9c24e8-3b12-4fef-91e0-56a2d5a1c0b7"],
    },
}
IDEMPOTENT_REPLAYED: Schema = {
    "description": "There when this is the stored answer to an earlier request with the same `Idempotency-Key`. Stored "
    "refusals have it, too.",
    "required": False,
    "schema": {"type": "string", "const": "true"},
}

CURSOR: Schema = {
    "description": "For `after` of the next page; there when `hasNextPage` is true. Opaque: it holds the place of the "
    "last item as this page has it, so that a walk misses and repeats nothing when that item changes meanwhile.",
    "required": False,
    "schema": {"type": "string", "pattern": f"^{CURSOR_PATTERN}$", "examples": [EXAMPLE_CURSOR]},
}

TOTAL: Schema = {
    "description": f"There when the total is not exact: there are as many items or more. {EXACT_UP_TO:,} are the "
    "most that are counted; a search may stop earlier.",
    "required": False,
    "schema": {"type": "string", "const": "at-least"},
}

SHARED: dict[str, tuple[str, Schema]] = {
    "Failure": (ResolvedComponent.SCHEMA, FAILURE),
    "Problem": (ResolvedComponent.SCHEMA, PROBLEM),
    "X-Request-ID": (ResolvedComponent.HEADER, REQUEST_ID),
    POLICY_HEADER: (ResolvedComponent.HEADER, RATE_LIMIT_POLICY),
    STANDING_HEADER: (ResolvedComponent.HEADER, RATE_LIMIT),
    NEXT_CURSOR: (ResolvedComponent.HEADER, CURSOR),
    TOTAL_COUNT: (ResolvedComponent.HEADER, TOTAL),
}
# Headers of every answer.
ALWAYS = ("X-Request-ID", POLICY_HEADER, STANDING_HEADER)


def headers_of_all() -> Schema:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in ALWAYS}


@cache
def codes_to_wait_for() -> set[str]:
    """The codes of errors with a `Retry-After`."""
    waiting = {kind.code for kind in every_refusal() if issubclass(kind, TooMany) or hasattr(kind, "retry_after")}
    return waiting | {HTTP_CODES[status] for status in (429, 503)}


def enveloped(status: int, data: Schema) -> Schema:
    return {
        "type": "object",
        "properties": {
            "isSuccess": {"type": "boolean", "const": True},
            "statusCode": {"type": "integer", "const": status},
            "data": data,
            "errors": {"type": "array", "items": {"type": "string"}, "maxItems": 0},
            "timestamp": WRITTEN_TIME,
        },
        "required": ["isSuccess", "statusCode", "data", "errors", "timestamp"],
        "additionalProperties": False,
    }


def error_response(status: int, codes: Codes) -> Schema:
    """The response object of a status: both forms of the body, an example for each code."""
    title = TITLES[status]
    headers: Schema = {
        "X-Error-Code": {
            "description": "The reason, for machines.",
            "required": True,
            "schema": {"type": "string", "enum": list(codes)},
        },
    } | headers_of_all()
    if status == 401:
        headers["WWW-Authenticate"] = BEARER
    if waiting := codes.keys() & codes_to_wait_for():
        headers["Retry-After"] = RETRY_AFTER | {"required": waiting == codes.keys()}
    failure = {"statusCode": {"const": status}, "errors": {"contains": {"const": title}}}
    problem = {"status": {"const": status}, "title": {"const": title}, "code": {"enum": list(codes)}}
    return {
        "description": title,
        "headers": headers,
        "content": {
            JSON: {
                "schema": {"allOf": [{"$ref": "#/components/schemas/Failure"}, {"properties": failure}]},
                "examples": {
                    code: {
                        "value": {
                            "isSuccess": False,
                            "statusCode": status,
                            "data": None,
                            "errors": [title, *reasons],
                            "timestamp": EXAMPLE_TIME,
                        }
                    }
                    for code, reasons in codes.items()
                },
            },
            PROBLEM_JSON: {
                "schema": {"allOf": [{"$ref": "#/components/schemas/Problem"}, {"properties": problem}]},
                "examples": {
                    code: {
                        "value": {
                            "type": settings.PROBLEM_TYPE_PREFIX + code,
                            "title": title,
                            "status": status,
                            "detail": "; ".join(reasons) or title,
                            "code": code,
                            "errors": reasons,
                            "requestId": EXAMPLE_REQUEST_ID,
                        }
                    }
                    for code, reasons in codes.items()
                },
            },
        },
    }
