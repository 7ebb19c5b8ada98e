"""Words of a search, and the rows that few of them match."""

import pytest

from accounts.models import User
from accounts.reads import USERS
from common.word_search import patterns, words_of
from tests.conftest import make_user


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("ada", ("ada",)),
        ("ada lovelace", ("lovelace", "ada")),
        ("b a", ("a", "b")),
        ("ada ada", ("ada",)),
        ("love lovelace ace", ("lovelace",)),
    ],
)
def test_words_are_the_longest_first_and_none_is_a_part_of_another(text: str, words: tuple[str, ...]) -> None:
    assert words_of(text) == words


def test_patterns_match_signs_literally() -> None:
    assert patterns(["100%", "a_b", "\\"]) == ["%100\\%%", "%a\\_b%", "%\\\\%"]


@pytest.fixture
def fans(db: None) -> list[User]:
    return [make_user(f"fan{number}", name="Ada") for number in range(3)]


@pytest.mark.parametrize(("few", "is_found"), [(3, True), (2, False)])
def test_few_rows_are_found_and_more_are_not(few: int, is_found: bool, fans: list[User]) -> None:
    assert USERS.search is not None

    found = USERS.search.found(("ada", "fan"), up_to=few)

    assert found is not None if is_found else found is None
    assert not is_found or set(found or ()) == {fan.pk for fan in fans}


@pytest.mark.parametrize("words", [("ad",), ("a", "d"), ("--a",), ("__",)])
def test_words_that_an_index_of_three_letters_cannot_find_are_left_to_a_walk(
    words: tuple[str, ...], fans: list[User]
) -> None:
    assert USERS.search is not None
    assert USERS.search.found(words, up_to=10) is None
