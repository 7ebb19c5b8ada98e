"""Join keys that no other test has made, and no listener left behind."""

from collections.abc import Iterator

import pytest

from edges.services import forget_keys
from edges.waiting import LISTENER


@pytest.fixture(autouse=True)
def keys_of_this_test() -> None:
    forget_keys()


@pytest.fixture
def listening(transactional_db: None) -> Iterator[None]:
    """For tests that wait in this process: its listener gives back its connection."""
    yield
    LISTENER.close()
