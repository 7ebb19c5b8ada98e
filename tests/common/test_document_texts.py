"""Texts of an API document: which parts of it are texts, and into which units they are divided."""

import io
from typing import Any

import pytest

from common.document_texts import extract, texts_of, translate, units_of


def shouted(text: str) -> str:
    document = {"info": {"description": text}}
    translate(document, str.upper)
    return document["info"]["description"]


@pytest.mark.parametrize(
    ("text", "units"),
    [
        ("One paragraph\non two lines.", ["One paragraph on two lines."]),
        ("First.\n\nSecond.", ["First.", "Second."]),
        ("## Heading\n\nText.", ["Heading", "Text."]),
        ("Intro:\n- one\n- two\n  goes on", ["Intro:", "one", "two goes on"]),
        ("1. one\n2. two", ["one", "two"]),
        ("| Status | `code` |\n|---|---|\n| 400 | The reason. |", ["Status", "The reason."]),
        ("Before.\n\n```json\n{}\n\nstill code\n```\n\nAfter.", ["Before.", "After."]),
        ("`only_code` 42", []),
    ],
)
def test_a_text_is_divided_into_units(text: str, units: list[str]) -> None:
    assert list(units_of(text)) == units


@pytest.mark.parametrize(
    ("text", "translated"),
    [
        ("## Heading\n\nText.\n\n- one\n- two", "## HEADING\n\nTEXT.\n\n- ONE\n- TWO"),
        ("| Status | `code` |\n|---|---|\n| 400 | why |", "| STATUS | `code` |\n| --- | --- |\n| 400 | WHY |"),
        ("```json\n{}\n\nstill code\n```\n\nafter", "```json\n{}\n\nstill code\n```\n\nAFTER"),
    ],
)
def test_a_translation_keeps_the_structure_of_a_text(text: str, translated: str) -> None:
    assert shouted(text) == translated


def test_names_and_data_are_no_texts() -> None:
    """Properties may be called like keys of the format, and examples may have such keys."""
    document: dict[str, Any] = {
        "description": "a",
        "components": {
            "schemas": {
                "description": {
                    "description": "b",
                    "properties": {
                        "description": {"type": "string", "description": "c"},
                        "example": {"summary": "d"},
                        "value": {"x-displayName": "e"},
                    },
                    "example": {"description": "no text"},
                    "default": {"summary": "no text"},
                    "enum": ["no text"],
                }
            }
        },
    }

    assert list(texts_of(document)) == ["a", "b", "c", "d", "e"]


def test_the_units_of_a_file_are_collected_once_each() -> None:
    file = io.BytesIO(b"info:\n  description: |-\n    One.\n\n    Two.\ntags:\n- name: One.\n  description: One.\n")

    assert [unit for _, _, unit, _ in extract(file, [], [], options={})] == ["One.", "Two."]
