"""Undoing what is not part of the database when a transaction is rolled back."""

import pytest

from common.rollbacks import on_rollback, undone_on_rollback


def test_what_was_registered_is_undone_in_reverse_order_when_the_block_raises() -> None:
    undone: list[int] = []

    with pytest.raises(KeyError), undone_on_rollback():
        on_rollback(lambda: undone.append(1))
        on_rollback(lambda: undone.append(2))
        raise KeyError

    assert undone == [2, 1]


def test_nothing_is_undone_after_a_block_that_succeeds_nor_outside_of_one() -> None:
    undone: list[int] = []

    with undone_on_rollback():
        on_rollback(lambda: undone.append(1))
    on_rollback(lambda: undone.append(2))
    with pytest.raises(KeyError), undone_on_rollback():
        raise KeyError

    assert undone == []


def test_an_outer_transaction_undoes_what_an_inner_one_has_done() -> None:
    undone: list[int] = []

    with pytest.raises(KeyError), undone_on_rollback():
        with undone_on_rollback():
            on_rollback(lambda: undone.append(1))
        assert undone == []
        raise KeyError

    assert undone == [1]
