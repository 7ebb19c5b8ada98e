"""Resets the caches and threads of the process between tests."""

from collections.abc import Iterator

import pytest

from edges.services import forget_keys
from edges.waiting import LISTENER


@pytest.fixture(autouse=True)
def keys_of_this_test() -> None:
    """Forget the join keys that another test has created."""
    forget_keys()


@pytest.fixture
def listening(transactional_db: None) -> Iterator[None]:
    """For tests that wait in this process: closes the connection of the listener."""
    yield
    LISTENER.close()
