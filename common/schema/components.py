"""Schemas of the OpenAPI document that operations share: ids, times, the envelope and the two forms of an error."""

# drf-spectacular is marked as typed, and most of it is not.
# mypy: disable-error-code="no-untyped-call"

from collections.abc import Iterator
from typing import Any

from django.conf import settings
from drf_spectacular.plumbing import ResolvedComponent

from common.fields import OBJECT_ID

type Schema = dict[str, Any]

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
ENVELOPE_KEYS = ["isSuccess", "statusCode", "data", "errors", "timestamp"]
# The body of every error.
FAILURE: Schema = {
    "type": "object",
    "description": "An error. `errors[0]` follows from the status in every language; the entries after it are for "
    "people.",
    "properties": {
        "isSuccess": {"type": "boolean", "const": False},
        "statusCode": {"type": "integer", "description": "Equals the HTTP status."},
        "data": {"type": "null"},
        "errors": {"type": "array", "items": {"type": "string"}, "minItems": 1},
        "timestamp": WRITTEN_TIME,
    },
    "required": ENVELOPE_KEYS,
}
# The same after RFC 9457.
PROBLEM: Schema = {
    "type": "object",
    "description": "An error after RFC 9457, if the request has `Accept: application/problem+json`.",
    "properties": {
        "type": {"type": "string", "format": "uri", "pattern": f"^{settings.PROBLEM_TYPE_PREFIX}"},
        "title": {"type": "string", "description": "As `errors[0]` of `Failure`."},
        "status": {"type": "integer", "description": "Equals the HTTP status."},
        "detail": {"type": "string", "description": "The reasons in one line."},
        "code": {"$ref": "#/components/schemas/ErrorCode"},
        "errors": {"type": "array", "items": {"type": "string"}, "description": "The reasons, for people."},
        "requestId": {"type": "string", "description": "As the header `X-Request-ID`."},
    },
    "required": ["type", "title", "status", "detail", "code", "errors", "requestId"],
    "examples": [
        {
            "type": f"{settings.PROBLEM_TYPE_PREFIX}validation_failed",
            "title": "Validation failed",
            "status": 400,
            "detail": "title: is required",
            "code": "validation_failed",
            "errors": ["title: is required"],
            "requestId": EXAMPLE_REQUEST_ID,
        }
    ],
}


def operations_of(document: Schema) -> Iterator[Schema]:
    for path in document["paths"].values():
        yield from path.values()


def envelope_of(data: Schema) -> ResolvedComponent:
    """The component of the envelope around `data`, which is a reference, an array of one, either or null, or null."""
    schema: Schema = {
        "type": "object",
        "properties": {
            "isSuccess": {"type": "boolean", "const": True},
            "statusCode": {"type": "integer", "description": "Equals the HTTP status."},
            "data": data,
            "errors": {"type": "array", "items": {"type": "string"}, "maxItems": 0},
            "timestamp": WRITTEN_TIME,
        },
        "required": ENVELOPE_KEYS,
    }
    return ResolvedComponent(f"{_name_of(data)}Envelope", ResolvedComponent.SCHEMA, schema, object=schema)


def _name_of(data: Schema) -> str:
    """Raises ValueError for data without a name."""
    if "$ref" in data:
        name: str = data["$ref"].rpartition("/")[2]
        return name
    if data.get("type") == "array":
        return f"{_name_of(data['items'])}List"
    if data.get("type") == "null":
        return "Empty"
    if "oneOf" in data:
        return f"Nullable{_name_of(data['oneOf'][0])}"
    raise ValueError(f"an answer without a named type: {data}")
