"""Examples in the OpenAPI document: one of each property, and answers of successes composed of them."""

from collections.abc import Mapping
from typing import Any

type Schema = dict[str, Any]

PAGE = {
    "currentPage": 1,
    "totalPages": 5,
    "totalItems": 45,
    "itemsPerPage": 10,
    "hasNextPage": True,
    "hasPrevPage": False,
}

SIMPLE: dict[Any, Any] = {"string": "text", "integer": 1, "number": 1.5, "boolean": True, "null": None}


def give_examples(result: Schema, values: Mapping[str, Any]) -> None:
    """Give each property its example, and each success an example made of them.

    `values` is keyed by `Component.property`, or by `property` for all components that have it.
    """
    components = result["components"]["schemas"]
    _give_to_properties(components, {**PAGE, **values})
    for path in result["paths"].values():
        for operation in path.values():
            for status, response in operation["responses"].items():
                if int(status) < 300:
                    for content in response["content"].values():
                        content["example"] = _example(int(status), content["schema"], components)


def _give_to_properties(components: Mapping[str, Schema], values: Mapping[str, Any]) -> None:
    for component, schema in components.items():
        # Envelopes and errors have the examples of each operation.
        if "statusCode" in schema.get("properties", {}) or component == "Problem":
            continue
        for name, held in schema.get("properties", {}).items():
            for key in (f"{component}.{name}", name):
                if key in values:
                    held["examples"] = [values[key]]
                    break


def _example(status: int, schema: Schema, components: Mapping[str, Schema]) -> Any:
    example = sample(schema, components)
    if isinstance(example, dict) and "statusCode" in example:
        example["statusCode"] = status
    return example


def sample(schema: Schema, components: Mapping[str, Schema]) -> Any:
    """A value that is valid for the schema, composed of its examples where it has any."""
    if "$ref" in schema:
        return sample(components[schema["$ref"].rpartition("/")[2]], components)
    for listed in ("examples", "enum"):
        if listed in schema:
            return schema[listed][0]
    for combined in ("allOf", "oneOf", "anyOf"):
        if combined in schema:
            return sample(schema[combined][0], components)
    if "const" in schema:
        return schema["const"]
    kind = schema.get("type")
    match kind[0] if isinstance(kind, list) else kind:
        case "object":
            value: Any = {name: sample(part, components) for name, part in schema.get("properties", {}).items()}
        case "array":
            value = [] if schema.get("maxItems") == 0 else [sample(schema["items"], components)]
        case simple:
            value = SIMPLE[simple]
    return value
