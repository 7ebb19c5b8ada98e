"""Objects that several tests start from: made once, in a transaction that stays open until the last of these tests.

Each test changes them in a savepoint, which is rolled back. Making them takes longer than most of these tests.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from typing import Any

import pytest
from django.db import connection, transaction
from pytest_django import DjangoDbBlocker

# Fixtures with kept objects. They belong to the parameter `operation` of a test, and to its module.
FIXTURES = {"world", "recorded_world"}

type Owner = tuple[Any, ...]


def owner_of(item: pytest.Item | None) -> Owner:
    """What tests that share their objects have in common: fixtures, module and operation. () for all other tests."""
    parameters = getattr(getattr(item, "callspec", None), "params", {})
    names = sorted(FIXTURES.intersection(getattr(item, "fixturenames", ())))
    return (item.path, *names, str(parameters["operation"])) if item and names and "operation" in parameters else ()


class Kept:
    """The objects of one owner at a time."""

    def __init__(self) -> None:
        self.owner: Owner = ()
        self._made: Any = None
        self._transaction: Any = None
        self._unblock: Any = None

    @contextmanager
    def copy[Made](self, item: pytest.Item, blocker: DjangoDbBlocker, make: Callable[[], Made]) -> Iterator[Made]:
        """What `make` returned for the first test of the owner, and the rows as they were then."""
        with blocker.unblock():
            if self.owner != owner_of(item):
                self.drop()
                self._unblock, self._transaction = blocker.unblock, _block_of_a_test()
                self._transaction.__enter__()
                try:
                    self._made = make()
                except BaseException:
                    self.drop()  # the next test must not begin in this transaction
                    raise
                self.owner = owner_of(item)
            with _block_of_a_test():
                yield deepcopy(self._made)
                if not connection.needs_rollback:
                    connection.check_constraints()  # the deferred ones, as Django's TestCase does
                transaction.set_rollback(True)

    def drop(self) -> None:
        """Roll the transaction back, unless the connection was lost with it."""
        if self._transaction and self._transaction in connection.atomic_blocks:
            with self._unblock():
                transaction.set_rollback(True)
                self._transaction.__exit__(None, None, None)
        self.owner, self._made, self._transaction = (), None, None


def _block_of_a_test() -> Any:
    """Durable blocks may be nested in it, as in a test of Django's TestCase."""
    block: Any = transaction.atomic()
    block._from_testcase = True
    return block


KEPT = Kept()
