"""Reads the operations and responses of the OpenAPI document."""

from collections.abc import Iterator
from typing import Any

from openapi_schema_validator import OAS31Validator

type Document = dict[str, Any]
type Operation = tuple[str, dict[str, Any]]


def operations(document: Document) -> Iterator[Operation]:
    for path in document["paths"].values():
        yield from path.items()


def responses(document: Document) -> Iterator[tuple[str, int, dict[str, Any]]]:
    """The id of each operation with each of its statuses and responses. References are resolved."""
    for _method, operation in operations(document):
        for status, written in operation["responses"].items():
            shared = written.get("$ref", "").rpartition("/")[2]
            response = document["components"]["responses"][shared] if shared else written
            yield operation["operationId"], int(status), response


def fits(value: Any, schema: dict[str, Any], document: Document) -> bool:
    return OAS31Validator({**schema, "components": document["components"]}).is_valid(value)
