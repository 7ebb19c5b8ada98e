"""The recorded examples of the API document: complete, valid, and of things that can happen.

`tests/api/test_every_status.py` compares them with what the service answers.
"""

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest

from common.examples import answer_in, recorded
from common.schema.language import in_language
from tests.api.operations import operations
from tests.openapi.contents import Document, fits, responses
from tests.openapi.contents import operations as operations_of
from tests.openapi.possible import OUTCOMES, contradictions

LANGUAGES = ["en", "tr"]


def test_every_operation_is_recorded_with_each_of_its_codes_and_nothing_else() -> None:
    """A success with a body has the code "", a 304 none."""
    documented = {
        str(operation): {(str(status), code) for status, code in operation.answers() if status != 304}
        for operation in operations()
    }
    known = {
        name: {(status, code) for status, codes in found["answers"].items() for code in codes}
        for name, found in recorded().items()
    }

    assert known == documented, "run `make examples`"


def test_every_error_with_a_reason_is_recorded_in_both_languages() -> None:
    for name, found in recorded().items():
        for status, codes in found["answers"].items():
            for code, answer in codes.items():
                translated = "tr" in answer or not answer["en"]
                assert translated or not code, f"{name} {status} {code}: the reasons are English in Turkish"


def successes() -> Iterator[tuple[str, str, Any]]:
    for name, found in recorded().items():
        for codes in found["answers"].values():
            for language in LANGUAGES:
                if "" in codes:
                    yield name, language, answer_in(language, codes[""])


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_example_contradicts_itself(language: str) -> None:
    found = {name: list(contradictions(data)) for name, spoken, data in successes() if spoken == language}

    assert {name: texts for name, texts in found.items() if texts} == {}


def test_each_success_shows_what_the_operation_does() -> None:
    shown = {name: OUTCOMES[name](data) for name, _, data in successes() if name in OUTCOMES}

    assert shown.keys() == OUTCOMES.keys()
    assert [name for name, holds in shown.items() if not holds] == []


def test_no_list_is_empty() -> None:
    empty = [name for name, _, data in successes() if data == [] or (isinstance(data, dict) and data.get("list") == [])]

    assert empty == []


def test_integers_are_written_without_a_fraction(document: Document) -> None:
    """A schema takes 0.0 for an integer, and many clients do not."""
    integers = {
        name
        for schema in document["components"]["schemas"].values()
        for name, held in schema.get("properties", {}).items()
        if "integer" in str(held.get("type"))
    }

    def fractions(value: Any) -> Iterator[str]:
        if isinstance(value, dict):
            yield from (name for name, each in value.items() if name in integers and isinstance(each, float))
        for each in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
            yield from fractions(each)

    assert "viewerCount" in integers
    assert {(name, field) for name, _, data in successes() for field in fractions(data)} == set()


@pytest.mark.parametrize(
    ("operation", "changes", "text"),
    [
        ("cancelLiveStreamByIdV1", {"startedAt": "2026-01-15T10:00:00.000Z"}, "a stream with a start"),
        ("endLiveStreamByIdV1", {"endedAt": None}, "only an ended stream"),
        ("deleteLiveStreamByIdV1", {"deletedBy": None}, "deleted by nobody"),
        ("deleteLiveStreamBanByIdV1", {"deletedAt": None}, "deleted by nobody"),
        ("getLiveStreamByIdV1", {"price": None}, "paid without"),
        ("getLiveStreamByIdV1", {"plannedEndDate": None}, "another planned end"),
        ("checkLiveStreamBanByTargetuseridV1", {"ban": None}, "banned without"),
        ("createLiveStreamByIdReminderV1", {"mode": "ON_START"}, "another mode"),
        ("listLiveStreamV1", {"list": []}, "another number of items"),
    ],
)
def test_a_contradiction_is_found(operation: str, changes: dict[str, Any], text: str) -> None:
    data = next(deepcopy(data) for name, _, data in successes() if name == operation)

    assert [found for found in contradictions({**data, **changes}) if found.startswith(text)]


# --- in the document ------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=LANGUAGES)
def in_each_language(request: pytest.FixtureRequest, document: Document) -> tuple[str, Document]:
    return request.param, document if request.param == "en" else in_language(document, request.param)


def test_every_request_has_the_recorded_body_as_its_example(document: Document) -> None:
    for _method, operation in operations_of(document):
        body = recorded()[operation["operationId"]]["request"].get("body")
        content = operation.get("requestBody", {}).get("content", {}).get("application/json")
        assert (content or {}).get("example") == body, operation["operationId"]
        assert content is None or fits(body, content["schema"], document), operation["operationId"]


def test_every_path_variable_and_required_parameter_has_the_recorded_value(document: Document) -> None:
    for _method, operation in operations_of(document):
        for parameter in operation.get("parameters", []):
            if parameter.get("required"):
                sent = recorded()[operation["operationId"]]["request"][parameter["in"]]
                assert parameter["schema"]["examples"] == [sent[parameter["name"]]], operation["operationId"]
                assert "example" not in parameter, "the playground would fill it in"


def test_every_answer_is_the_recorded_one(in_each_language: tuple[str, Document]) -> None:
    language, document = in_each_language
    for name, status, response in responses(document):
        if status == 304:
            continue
        kind, content = next(iter(response["content"].items()))
        for code, answer in recorded()[name]["answers"][str(status)].items():
            example = content["examples"][code]["value"] if status >= 400 else content["example"]
            match kind, status:
                case "application/json", 200 | 201:
                    shown = example["data"]
                case "application/json", _:
                    shown = example["errors"][1:]
                case _:
                    shown = example
            assert shown == answer_in(language, answer), (name, status, code)
            assert fits(example, content["schema"], document), (name, status, code)


def test_property_examples_fit_and_come_from_answers(document: Document) -> None:
    stream = document["components"]["schemas"]["LiveStream"]["properties"]

    assert stream["title"]["examples"] == ["Akşam sohbeti"]
    for schema in document["components"]["schemas"].values():
        for name, held in schema.get("properties", {}).items():
            for value in held.get("examples", []):
                assert fits(value, held, document), (schema, name)
