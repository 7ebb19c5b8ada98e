"""Sorting and joining on disk."""

import tracemalloc
from contextlib import closing
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.storage import sorting
from common.storage.sorting import Sorted, Spool, joined

NAMES = st.lists(st.text(max_size=4), max_size=30)


@settings(deadline=None)  # it writes files, on a machine that may be busy
@given(NAMES, NAMES)
def test_a_join_finds_what_sets_find(left: list[str], right: list[str]) -> None:
    with closing(Sorted([name, 1] for name in left)) as one, closing(Sorted([name, 2] for name in right)) as other:
        pairs = list(joined(one, other))

    assert {one[0] for one, _ in pairs if one} == set(left) - set(right)
    assert {other[0] for _, other in pairs if other} == set(right) - set(left)
    assert all((one is None) != (other is None) for one, other in pairs)


def test_a_name_that_is_not_utf_8_is_kept() -> None:
    name = b"photos/\xff.webp".decode(errors="surrogateescape")

    with closing(Sorted([[name, 1.5]])) as ordered:
        assert list(ordered) == [[name, 1.5]]


def test_records_are_read_again_and_again() -> None:
    with closing(Spool([["a"]])) as spool:
        assert list(spool) == [["a"]]
        spool.add(["b"])

        assert (list(spool), list(spool), spool.count) == ([["a"], ["b"]], [["a"], ["b"]], 2)


def test_memory_does_not_grow_with_the_number_of_records(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sorting, "RUN", 1_000)
    tracemalloc.start()
    try:
        with closing(Sorted([f"{number:07}", 1.0] for number in range(60_000, 0, -1))) as ordered:
            assert all(one[0] < other[0] for one, other in pairwise(ordered))
            assert ordered.count == 60_000
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 3_000_000  # bytes; in a list they take 10 MB
