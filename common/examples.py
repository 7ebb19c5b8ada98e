"""Examples of the OpenAPI document: requests and answers of the running service, as tests have recorded them.

`EXAMPLES_FOLDER` has a file for each operation; `tests/api/recordings.py` describes its format and compares it with
what the service answers.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import orjson
from django.conf import settings

from common.api import JSON, TITLES, envelope
from common.schema.components import ENVELOPE_KEYS, EXAMPLE_TIME, Schema, operations_of
from common.schema.errors import CODES_EXTENSION


@cache
def recorded() -> Mapping[str, Any]:
    """What was recorded of each operation, by its id."""
    return {file.stem: orjson.loads(file.read_bytes()) for file in sorted(settings.EXAMPLES_FOLDER.glob("*.json"))}


def give_examples(document: Schema, language: str = "en") -> None:
    """Put the recorded examples into the document: of requests, parameters, answers, and properties of schemas."""
    properties = _Properties(document["components"]["schemas"])
    for operation in operations_of(document):
        known = recorded().get(operation["operationId"])
        if known is not None:
            _to_request(operation, known["request"], properties)
            _to_successes(operation, known["answers"], properties, language)
    _to_errors(document, language)


def answer_in(language: str, answer: Mapping[str, Any]) -> Any:
    """Answers that are the same in all languages are recorded once."""
    return answer.get(language, answer["en"])


# --- requests and successes -----------------------------------------------------------------------


def _to_request(operation: Schema, request: Mapping[str, Any], properties: "_Properties") -> None:
    for parameter in operation.get("parameters", []):
        sent = request.get(parameter.get("in", ""), {})
        if parameter.get("name") in sent:
            # In the schema, because the playground fills in the `example` of a parameter, and this id is unknown there.
            parameter["schema"]["examples"] = [sent[parameter["name"]]]
    contents = operation.get("requestBody", {}).get("content", {})
    if "body" in request and JSON in contents:
        contents[JSON]["example"] = request["body"]
        properties.give(contents[JSON]["schema"], request["body"])


def _to_successes(operation: Schema, answers: Mapping[str, Any], properties: "_Properties", language: str) -> None:
    for status, codes in answers.items():
        response = operation["responses"].get(status, {})
        if "" not in codes or "content" not in response:
            continue
        ((kind, content),) = response["content"].items()
        value = answer_in(language, codes[""])
        content["example"] = enveloped(int(status), value) if kind == JSON else value
        properties.give(content["schema"], content["example"])


def enveloped(status: int, data: Any, errors: Sequence[str] = ()) -> Any:
    """As the service answers, at the time of all examples."""
    return orjson.loads(envelope(status, data, errors)) | {"timestamp": EXAMPLE_TIME}


class _Properties:
    """Gives each property of the schemas an example: the first value that a recorded request or answer has for it."""

    def __init__(self, schemas: Mapping[str, Schema]) -> None:
        self.schemas = schemas
        self.given: set[int] = set()

    def give(self, schema: Schema, value: Any) -> None:
        """The first value of a property stays, but null only until there is another one."""
        if "$ref" in schema:
            schema = self.schemas[schema["$ref"].rpartition("/")[2]]
        for combined in ("allOf", "oneOf", "anyOf"):
            for part in schema.get(combined, ()):
                if part.get("type") != "null":
                    self.give(part, value)
        if isinstance(value, list):
            for item in value:
                self.give(schema.get("items", {}), item)
        if isinstance(value, dict):
            self._give_each(schema, value)

    def _give_each(self, schema: Schema, value: Mapping[str, Any]) -> None:
        for name, part in schema.get("properties", {}).items():
            if name in value:
                # Operations share envelopes, and have examples of their own.
                if schema.get("required") != ENVELOPE_KEYS:
                    self._give_one(part, value[name])
                self.give(part, value[name])

    def _give_one(self, part: Schema, value: Any) -> None:
        simple = not isinstance(value, (dict, list))
        if simple and id(part) not in self.given and not part.keys() & {"$ref", "const"}:
            part["examples"] = [value]
            if value is not None:
                self.given.add(id(part))


# --- errors ---------------------------------------------------------------------------------------


def _to_errors(document: Schema, language: str) -> None:
    """An example for each code that the operation can have. Operations that share a response answer the same."""
    shared: Schema = document["components"].get("responses", {})
    for operation in operations_of(document):
        answers = recorded().get(operation["operationId"], {}).get("answers", {})
        for status, written in operation["responses"].items():
            response = shared[written["$ref"].rpartition("/")[2]] if "$ref" in written else written
            if known := answers.get(status, {}).keys() & set(response.get(CODES_EXTENSION, ())):
                response["content"][JSON]["examples"] = {
                    code: {"value": failed(int(status), answer_in(language, answers[status][code]))}
                    for code in response[CODES_EXTENSION]
                    if code in known
                }


def failed(status: int, reasons: Sequence[str]) -> Any:
    return enveloped(status, None, [TITLES[status], *reasons])
