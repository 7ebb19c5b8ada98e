"""Join keys that no other test has made, and no listener left behind."""

from collections.abc import Iterator

import pytest
from django.utils import timezone

from accounts import tokens
from accounts.models import User
from edges.services import forget_keys
from edges.waiting import LISTENER
from tests.conftest import session_of


@pytest.fixture(autouse=True)
def keys_of_this_test() -> None:
    forget_keys()


def token_of(user: User) -> str:
    """An access token, for calls over real HTTP."""
    return str(tokens.AccessToken.of(session_of(user), now=timezone.now()))


@pytest.fixture
def listening(transactional_db: None) -> Iterator[None]:
    """For tests that wait in this process: its listener gives back its connection."""
    yield
    LISTENER.close()
