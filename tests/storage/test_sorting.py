"""Sorting and joining on disk."""

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.storage import sorting
from common.storage.sorting import Sorted, Spool, joined

NAMES = st.lists(st.text(max_size=4), max_size=30)


@given(NAMES, NAMES)
def test_a_join_finds_what_sets_find(left: list[str], right: list[str]) -> None:
    pairs = list(joined(Sorted([name, 1] for name in left), Sorted([name, 2] for name in right)))

    assert {one[0] for one, _ in pairs if one} == set(left) - set(right)
    assert {other[0] for _, other in pairs if other} == set(right) - set(left)
    assert all((one is None) != (other is None) for one, other in pairs)


def test_a_name_that_is_not_utf_8_is_kept() -> None:
    name = b"photos/\xff.webp".decode(errors="surrogateescape")

    assert list(Sorted([[name, 1.5]])) == [[name, 1.5]]


def test_records_are_read_again_and_again() -> None:
    spool = Spool([["a"]])
    assert list(spool) == [["a"]]
    spool.add(["b"])

    assert (list(spool), list(spool), spool.count) == ([["a"], ["b"]], [["a"], ["b"]], 2)


def test_memory_does_not_grow_with_the_number_of_records(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sorting, "RUN", 1_000)
    tracemalloc.start()
    try:
        ordered = Sorted([f"{number:07}", 1.0] for number in range(60_000, 0, -1))
        names = [0, ""]
        for name, _ in ordered:
            assert name > names[1]
            names = [names[0] + 1, name]  # type: ignore[operator]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert names == [60_000, "0060000"]
    assert peak < 3_000_000  # bytes; in a list they take 10 MB
