"""Headers of the OpenAPI document, as components that operations refer to."""

# drf-spectacular is marked as typed, and most of it is not.
# mypy: disable-error-code="no-untyped-call"

from collections.abc import Iterator

from django.conf import settings
from drf_spectacular.plumbing import ResolvedComponent

from common import etags, idempotency, preconditions
from common.cursors import PATTERN as CURSOR_PATTERN
from common.pagination import NEXT_CURSOR, TOTAL_COUNT
from common.rate_limits.policies import POLICY_HEADER, STANDING_HEADER
from common.schema.components import EXAMPLE_CURSOR, EXAMPLE_REQUEST_ID, Schema

ERROR_CODE = "X-Error-Code"
REQUEST_ID = "X-Request-ID"
LANGUAGE = "X-Language"
RETRY_AFTER = "Retry-After"
# Where some of the errors of a status are temporary, and others are not.
OPTIONAL_RETRY_AFTER = "Retry-After-Optional"
AUTHENTICATE = "WWW-Authenticate"
EXAMPLE_TAG = '"2f9a4c5e7b6d8f1a"'
EXAMPLE_KEY = "7f9c24e8-3b12-4fef-91e0-56a2d5a1c0b7"

WAIT: Schema = {"type": "integer", "minimum": 0, "examples": [1]}

# By the name of the component: is it always there, what does it say, its schema.
OF_ANSWERS: dict[str, tuple[bool, str, Schema]] = {
    REQUEST_ID: (
        True,
        "Identifies this request in the logs and the audit trail: the caller's, if it sent a valid one.",
        {"type": "string", "pattern": "^[A-Za-z0-9._:-]{1,64}$", "examples": [EXAMPLE_REQUEST_ID]},
    ),
    "Cache-Control": (
        True,
        "What may keep the answer. Reads may be kept and must be compared again, by their `ETag`; nothing else may.",
        {"type": "string", "examples": ["no-store"]},
    ),
    POLICY_HEADER: (
        False,
        "The limits for which this call counts: `q` calls in `w` seconds. Absent without limits.",
        {"type": "string", "examples": ['"write";q=600;w=60, "address";q=60000;w=60']},
    ),
    STANDING_HEADER: (
        False,
        "The limit with the fewest calls left: `r` calls until it begins anew, in `t` seconds.",
        {"type": "string", "pattern": r'^"[a-z-]+";r=\d+;t=\d+$', "examples": ['"write";r=599;t=60']},
    ),
    "ETag": (
        True,
        "Changes with the data. Send it back as `If-None-Match`, or as `If-Match` of a change.",
        {"type": "string", "pattern": '^(W/)?"[^"]*"$', "examples": [EXAMPLE_TAG]},
    ),
    NEXT_CURSOR: (
        False,
        (
            "For `after` of the next page; there when `hasNextPage` is true. Opaque: it holds the place of the last "
            "item as this page has it, so that a walk misses and repeats nothing when that item changes meanwhile."
        ),
        {"type": "string", "pattern": f"^{CURSOR_PATTERN}$", "examples": [EXAMPLE_CURSOR]},
    ),
    TOTAL_COUNT: (
        False,
        "There when the total is not exact: there are as many items, or more.",
        {"type": "string", "const": "at-least"},
    ),
    idempotency.REPLAYED: (
        False,
        (
            "There when this is the stored answer to an earlier request with the same `Idempotency-Key`. Stored "
            "refusals have it, too."
        ),
        {"type": "string", "const": "true"},
    ),
    ERROR_CODE: (True, "The reason, for programs.", {"$ref": "#/components/schemas/ErrorCode"}),
    RETRY_AFTER: (True, "Seconds to wait before trying again.", WAIT),
    OPTIONAL_RETRY_AFTER: (False, "Seconds to wait before trying again, if that may help.", WAIT),
    AUTHENTICATE: (True, "The scheme of authentication.", {"type": "string", "const": "Bearer"}),
}

# Headers of every answer.
ALWAYS = (REQUEST_ID, "Cache-Control", POLICY_HEADER, STANDING_HEADER)

OF_REQUESTS: dict[str, tuple[str, Schema]] = {
    LANGUAGE: (
        (
            "The language of reasons and notifications; preferred to `Accept-Language`. Others than the listed ones "
            "are ignored."
        ),
        {"$ref": "#/components/schemas/Language"},
    ),
    REQUEST_ID: (
        "An id of your own for this call, which the answer and the logs repeat. One that is not valid is ignored.",
        {"type": "string", "examples": [EXAMPLE_REQUEST_ID]},
    ),
    etags.IF_NONE_MATCH: (
        (
            "The `ETag` of the answer that the caller has, or several. If it is still the current one, the answer is "
            "304 without a body."
        ),
        {"type": "string", "examples": [EXAMPLE_TAG]},
    ),
    preconditions.HEADER: (
        (
            "The `ETag` with which the caller has read the object. If the object has another one now, nothing is "
            "changed, and the answer is 412. `*` stands for every version of an object that exists."
        ),
        {"type": "string", "pattern": r'^\s*(\*|.*"[^"]*".*)$', "examples": [EXAMPLE_TAG]},
    ),
    idempotency.HEADER: (
        (
            "Makes a repeat safe: with the same key, the same request gets the first answer again. Take a new random "
            "one, such as a UUID, for each change."
        ),
        {"type": "string", "pattern": f"^{idempotency.KEY.pattern}$", "examples": [EXAMPLE_KEY]},
    ),
}


def header_components() -> Iterator[ResolvedComponent]:
    """The headers of requests and answers, and the language that one of them names."""
    for name, (is_required, text, schema) in OF_ANSWERS.items():
        header: Schema = {"description": text, "required": is_required, "schema": schema}
        yield ResolvedComponent(name, ResolvedComponent.HEADER, header, object=name)
    for name, (text, schema) in OF_REQUESTS.items():
        parameter: Schema = {
            "name": name,
            "in": "header",
            "description": text,
            "required": False,
            "schema": schema,
        }
        yield ResolvedComponent(name, ResolvedComponent.PARAMETER, parameter, object=name)
    languages: Schema = {"type": "string", "enum": [code for code, _name in settings.LANGUAGES]}
    yield ResolvedComponent("Language", ResolvedComponent.SCHEMA, languages, object="Language")


def headers_of_answer(*names: str) -> Schema:
    """References to the headers of every answer and to those named."""
    return {name: header_ref(name) for name in (*ALWAYS, *names)}


def header_ref(name: str) -> Schema:
    return {"$ref": f"#/components/headers/{name}"}


def parameter_ref(name: str) -> Schema:
    return {"$ref": f"#/components/parameters/{name}"}
