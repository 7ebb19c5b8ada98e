"""The words that docs/glossary.md says not to use do not occur."""

import re

import pytest

from tests.glossary import GLOSSARY, occurrences, words_not_to_use, words_of


@pytest.mark.parametrize("word", words_not_to_use())
def test_a_word_not_to_use_does_not_occur(word: str) -> None:
    assert occurrences().get(word, []) == [], "docs/glossary.md names the word to write instead"


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
