"""Undoing what is not part of the database when a transaction is rolled back."""

import pytest

from common.rollbacks import on_rollback, undone_on_rollback


def register_and_fail(undone: list[int], *numbers: int) -> None:
    with undone_on_rollback():
        for number in numbers:
            on_rollback(lambda number=number: undone.append(number))  # type: ignore[misc]  # its default has no type
        raise KeyError


def test_what_was_registered_is_undone_in_reverse_order_when_the_block_raises() -> None:
    undone: list[int] = []

    with pytest.raises(KeyError):
        register_and_fail(undone, 1, 2)

    assert undone == [2, 1]


def test_nothing_is_undone_after_a_block_that_succeeds_nor_outside_of_one() -> None:
    undone: list[int] = []

    with undone_on_rollback():
        on_rollback(lambda: undone.append(1))
    on_rollback(lambda: undone.append(2))
    with pytest.raises(KeyError):
        register_and_fail(undone)

    assert undone == []


def test_an_outer_transaction_undoes_what_an_inner_one_has_done() -> None:
    undone: list[int] = []

    def nested() -> None:
        with undone_on_rollback():
            with undone_on_rollback():
                on_rollback(lambda: undone.append(1))
            assert undone == []
            raise KeyError

    with pytest.raises(KeyError):
        nested()

    assert undone == [1]
