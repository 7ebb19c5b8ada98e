"""Steps after the OpenAPI document was generated: plain references to enums, and shared responses."""

import json
from collections import Counter
from typing import Any

from common.schema.components import Schema, operations_of

# The component of a status. Its name is that of the status, and so never changes, whichever codes operations have.
NAMES = {
    304: "NotModified",
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    408: "RequestTimeout",
    409: "Conflict",
    412: "PreconditionFailed",
    413: "PayloadTooLarge",
    414: "UriTooLong",
    415: "UnsupportedMediaType",
    422: "UnprocessableContent",
    429: "TooManyRequests",
    431: "HeadersTooLarge",
    500: "InternalServerError",
    503: "ServiceUnavailable",
}

NULL = "NullEnum"


def simplify_references(result: Schema, **_: Any) -> Schema:
    """Write references to enums as a generator would by hand: a postprocessing hook of drf-spectacular.

    It makes a component of null, and an `allOf` around each reference that has a description, which OpenAPI 3.0 needed.
    """
    components = result["components"]
    components["schemas"].pop(NULL, None)
    components["schemas"] = {name: _simple(schema) for name, schema in components["schemas"].items()}
    return result


def _simple(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_simple(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("$ref") == f"#/components/schemas/{NULL}":
        return {"type": "null"}
    simple = {name: _simple(value) for name, value in schema.items()}
    # Requests and responses have components of their own.
    simple.pop("readOnly", None)
    match simple.get("allOf"):
        case [{"$ref": reference}]:
            del simple["allOf"]
            return {"$ref": reference, **simple}
    return simple


def share_responses(result: Schema, **_: Any) -> Schema:
    """Make the most common response of each status a component: a postprocessing hook of drf-spectacular.

    Operations with this response refer to it. Those whose codes or examples are others keep their own one.
    """
    counted: dict[str, Counter[str]] = {str(status): Counter() for status in NAMES}
    for operation in operations_of(result):
        for status, response in operation["responses"].items():
            if status in counted:
                counted[status][_written(response)] += 1
    shared = result["components"].setdefault("responses", {})
    common = {status: counter.most_common(1)[0][0] for status, counter in counted.items() if counter}
    for status, written in common.items():
        shared[NAMES[int(status)]] = json.loads(written)
    for operation in operations_of(result):
        responses = operation["responses"]
        for status, response in responses.items():
            if common.get(status) == _written(response):
                responses[status] = {"$ref": f"#/components/responses/{NAMES[int(status)]}"}
    result["components"] = dict(sorted(result["components"].items()))
    return result


def _written(response: Schema) -> str:
    return json.dumps(response, ensure_ascii=False)
