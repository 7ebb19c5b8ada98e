"""The world of an operation, which the tests of the operation in a module share."""

from collections.abc import Iterator

import pytest
from pytest_django import DjangoDbBlocker

from tests.api.operations import Operation, World, world_for
from tests.conftest import client_of, make_user
from tests.kept import KEPT


@pytest.fixture
def world(
    request: pytest.FixtureRequest, operation: Operation, django_db_setup: None, django_db_blocker: DjangoDbBlocker
) -> Iterator[World]:
    """What a call of the operation needs to succeed. Changes are rolled back, so each test gets it as it was made."""

    def make() -> World:
        creator = make_user("creator", name="Ayşe", surname="Yılmaz")
        return world_for(operation, client_of, creator, make_user("stranger"))

    with KEPT.copy(request.node, django_db_blocker, make) as copy:
        yield copy
