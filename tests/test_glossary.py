"""Words that docs/glossary.md says not to use become fewer: none may occur more often than is recorded."""

import re

import pytest

from tests.glossary import GLOSSARY, counts, recorded, words_not_to_use, words_of


@pytest.mark.parametrize("word", words_not_to_use())
def test_a_word_not_to_use_occurs_no_more_often_than_recorded(word: str) -> None:
    found, allowed = counts()[word], recorded()[word]
    assert found <= allowed, (
        f"{word!r} occurs {found} times, and {allowed} times before. "
        f"docs/glossary.md names the word to write instead; find it with: git grep -inw {word}"
    )


def test_every_word_not_to_use_has_a_recorded_count() -> None:
    assert list(recorded()) == words_not_to_use()


def test_words_are_found_in_sentences_and_in_identifiers() -> None:
    words = words_of("Two doors. take_turn AT_THE_DOOR ActForm doorOpened HTTPDoor returns outdoors indoor")
    assert (words["door"], words["doors"], words["turn"], words["act"]) == (3, 1, 1, 1)
    assert words["returns"] == words["outdoors"] == words["indoor"] == 1


def test_the_glossary_defines_no_word_twice_and_none_that_is_not_to_be_used() -> None:
    definitions = GLOSSARY.read_text("utf-8").partition("\n## Do not use\n")[0]
    cells = re.findall(r"(?m)^\| ([a-z][^|]*?) \|", definitions)
    terms = [term for cell in cells if cell != "word" for term in cell.split(", ")]
    assert len(terms) > 40
    assert len(terms) == len(set(terms))
    assert set(terms).isdisjoint(words_not_to_use())
