"""Parts of the OpenAPI document that operations share: the two forms of an error, headers, ids and times."""

from typing import Any

from django.conf import settings
from drf_spectacular.plumbing import ResolvedComponent

from common.api import JSON, PROBLEM_JSON, TITLES
from common.cursors import PATTERN as CURSOR_PATTERN
from common.fields import OBJECT_ID
from common.pagination import EXACT_UP_TO, NEXT_CURSOR, TOTAL_COUNT

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
    "description": "Changes with the content. Send it back as `If-None-Match`.",
    "required": True,
    "schema": {"type": "string", "pattern": '^(W/)?"[^"]*"$', "examples": ['"2f9a4c5e7b6d8f1a"']},
}
RETRY_AFTER: Schema = {
    "description": "Seconds to wait before trying again.",
    "required": True,
    "schema": {"type": "integer", "minimum": 0, "examples": [1]},
}

CURSOR: Schema = {
    "description": "For `after` of the next page; there when `hasNextPage` is true. Opaque: it holds the place of the "
    "last item as this page has it, so that a walk misses and repeats nothing when that item changes meanwhile.",
    "required": False,
    "schema": {"type": "string", "pattern": f"^{CURSOR_PATTERN}$", "examples": [EXAMPLE_CURSOR]},
}

TOTAL: Schema = {
    "description": f"There when the total is not exact: there are {EXACT_UP_TO:,} items or more.",
    "required": False,
    "schema": {"type": "string", "const": "at-least"},
}

SHARED: dict[str, tuple[str, Schema]] = {
    "Failure": (ResolvedComponent.SCHEMA, FAILURE),
    "Problem": (ResolvedComponent.SCHEMA, PROBLEM),
    "X-Request-ID": (ResolvedComponent.HEADER, REQUEST_ID),
    NEXT_CURSOR: (ResolvedComponent.HEADER, CURSOR),
    TOTAL_COUNT: (ResolvedComponent.HEADER, TOTAL),
}


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
        "X-Request-ID": {"$ref": "#/components/headers/X-Request-ID"},
    }
    if status == 401:
        headers["WWW-Authenticate"] = BEARER
    if status in (429, 503):
        headers["Retry-After"] = RETRY_AFTER
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
