"""Reads the operations and responses of the OpenAPI document."""

from collections.abc import Iterator
from typing import Any

from openapi_schema_validator import OAS31Validator

type Document = dict[str, Any]
type Operation = tuple[str, dict[str, Any]]


def operations(document: Document) -> Iterator[Operation]:
    for path in document["paths"].values():
        yield from path.items()


def followed(written: dict[str, Any], document: Document) -> dict[str, Any]:
    """What `written` refers to, if it is a reference."""
    kind, _, name = written.get("$ref", "").removeprefix("#/components/").partition("/")
    found: dict[str, Any] = document["components"][kind][name] if name else written
    return found


def parameters(operation: dict[str, Any], document: Document) -> list[dict[str, Any]]:
    return [followed(parameter, document) for parameter in operation["parameters"]]


def responses(document: Document) -> Iterator[tuple[str, int, dict[str, Any]]]:
    """The id of each operation with each of its statuses and responses. References to them and in them are resolved."""
    for _method, operation in operations(document):
        for status, written in operation["responses"].items():
            response = followed(written, document)
            headers = {name: followed(header, document) for name, header in response["headers"].items()}
            yield operation["operationId"], int(status), response | {"headers": headers}


def fits(value: Any, schema: dict[str, Any], document: Document) -> bool:
    return OAS31Validator({**schema, "components": document["components"]}).is_valid(value)
