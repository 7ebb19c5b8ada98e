"""The OpenAPI document in Turkish: every text is translated, and nothing else differs."""

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest
import yaml
from django.test import Client
from django.utils.translation import gettext, override
from openapi_spec_validator import OpenAPIV31SpecValidator

from common.document_texts import texts_of, translate, units_of
from common.schema import WARNING
from common.schema.language import in_language
from config.property_texts import PARAMETERS, PROPERTIES, described
from tests.openapi.contents import Document, operations

# Names of the servers, by which people and the playground call them in every language.
NAMES = {"Development", "Production"}
TURKISH_WARNING = "⚠️ **Production uyarısı.** "


@pytest.fixture(scope="module")
def turkish(document: Document) -> Document:
    return in_language(document, "tr")


# --- every text -----------------------------------------------------------------------------------


def test_every_text_is_translated(document: Document) -> None:
    with override("tr"):
        missing = {
            unit
            for text in texts_of(document)
            for unit in units_of(text)
            if unit not in NAMES and gettext(unit) == unit
        }

    assert missing == set(), "run `make messages` and translate the new texts"


def parts(document: Document) -> Iterator[tuple[str, dict[str, Any], str]]:
    """Each part of the document that people read, as its place, the part, and the key of its text."""
    for tag in document["tags"]:
        yield f"tag {tag['name']}", tag, "description"
        yield f"tag {tag['name']}", tag, "x-displayName"
    for _, operation in operations(document):
        name = operation["operationId"]
        yield name, operation, "summary"
        yield name, operation, "description"
        for parameter in map(resolved(document), operation.get("parameters", [])):
            yield f"{name}, parameter {parameter['name']}", parameter, "description"
        for status, response in operation["responses"].items():
            yield f"{name}, status {status}", resolved(document)(response), "description"
    for name, schema in document["components"]["schemas"].items():
        for each, held in schema.get("properties", {}).items():
            yield f"property {name}.{each}", held, "description"


def resolved(document: Document) -> Any:
    def of(part: dict[str, Any]) -> dict[str, Any]:
        kind, _, name = part.get("$ref", "").removeprefix("#/components/").partition("/")
        return document["components"][kind][name] if name else part

    return of


def test_every_operation_parameter_status_property_and_tag_has_a_text(document: Document, turkish: Document) -> None:
    without = [place for place, part, key in parts(document) if not part.get(key)]
    assert without == []

    english = {(place, key): part[key] for place, part, key in parts(document)}
    # A text of nothing but code is the same.
    same = {
        place for place, part, key in parts(turkish) if part[key] == english[place, key] and list(units_of(part[key]))
    }
    assert same == set()


def test_every_text_of_properties_and_parameters_is_used(document: Document) -> None:
    used = {key for held, texts, key in described(document) if held["description"] == texts[key]}

    assert used == PROPERTIES.keys() | PARAMETERS.keys()


def test_each_operation_that_changes_something_begins_with_the_warning(turkish: Document) -> None:
    for method, operation in operations(turkish):
        assert operation["description"].startswith(TURKISH_WARNING) is (method != "get"), operation["operationId"]
        assert WARNING not in operation["description"]


@pytest.mark.parametrize(
    ("operation", "summary"),
    [
        ("cancelLiveStreamByIdV1", "Canlı yayını iptal et"),
        ("deleteLiveStreamByIdV1", "Canlı yayını sil (soft delete)"),
        ("deleteLiveStreamBanByIdV1", "Ban kaldır"),
    ],
)
def test_summaries_are_those_that_people_know(turkish: Document, operation: str, summary: str) -> None:
    assert [each["summary"] for _, each in operations(turkish) if each["operationId"] == operation] == [summary]


# --- nothing else ---------------------------------------------------------------------------------


def test_only_texts_and_examples_differ(document: Document, turkish: Document) -> None:
    def without_texts(found: Document) -> Document:
        plain = without_examples(deepcopy(found))
        translate(plain, lambda _: "")
        return plain

    shapes = [without_texts(found) for found in (document, turkish)]
    for shape in shapes:
        shape["info"]["description"] = ""  # its table is formatted again

    assert shapes[0] == shapes[1]


def without_examples(node: Any) -> Any:
    if isinstance(node, dict):
        return {key: without_examples(value) for key, value in node.items() if key not in {"example", "examples"}}
    return [without_examples(item) for item in node] if isinstance(node, list) else node


def test_the_turkish_document_is_valid_openapi_3_1(turkish: Document) -> None:
    OpenAPIV31SpecValidator(turkish).validate()


def test_codes_and_diagrams_are_not_translated(document: Document, turkish: Document) -> None:
    english, translated = document["info"]["description"], turkish["info"]["description"]

    assert english.count("```") == translated.count("```")
    assert [line for line in translated.splitlines() if "`ban_not_found`" in line] == [
        "| 404 | `Resource not found` | `ban_not_found` | bu kimlikle bir ban yok |"
    ]


# --- served ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "headers", "language"),
    [
        ({}, {}, "en"),
        ({"lang": "tr"}, {}, "tr"),
        ({}, {"Accept-Language": "tr-TR,tr;q=0.9,en;q=0.8"}, "tr"),
        ({}, {"X-Language": "tr", "Accept-Language": "en"}, "tr"),
        ({"lang": "en"}, {"Accept-Language": "tr"}, "en"),
        ({"lang": "de"}, {"Accept-Language": "tr"}, "tr"),
    ],
)
def test_the_document_is_served_in_the_language_that_is_asked_for(
    client: Client, query: dict[str, str], headers: dict[str, str], language: str
) -> None:
    served = client.get("/api/schema/", {"format": "json", **query}, headers=headers)

    assert served.headers["Content-Language"] == language
    assert {"Accept", "Accept-Language", "X-Language"} <= set(served.headers["Vary"].split(", "))
    cancel = served.json()["paths"]["/api/v1/live-stream/{id}/cancel"]["post"]
    assert cancel["summary"] == {"en": "Cancel Live Stream", "tr": "Canlı yayını iptal et"}[language]


def test_each_language_and_form_has_an_etag_of_its_own(client: Client) -> None:
    def etag(language: str, form: str) -> str:
        return client.get("/api/schema/", {"lang": language, "format": form}).headers["ETag"]

    tags = {etag(language, form) for language in ("en", "tr") for form in ("json", "yaml")}
    assert len(tags) == 4

    known = client.get("/api/schema/", {"lang": "tr"}, headers={"If-None-Match": etag("tr", "yaml")})
    other = client.get("/api/schema/", {"lang": "tr"}, headers={"If-None-Match": etag("en", "yaml")})
    assert (known.status_code, other.status_code) == (304, 200)
    assert known.headers["Content-Language"] == "tr"
    assert yaml.safe_load(other.content)["info"]["title"] == "Kumanda"
