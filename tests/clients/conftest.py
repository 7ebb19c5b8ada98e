"""The clients are generated and built before their tests are collected, if they are not up to date."""

from collections.abc import Iterator

import pytest

from clients import build
from tests.clients.driving import COMMANDS, Driver, driving
from tests.clients.scripted import Scripted, scripted

# Tests take paths of the packages when they are collected.
build.build_packages()


@pytest.fixture(scope="module", params=COMMANDS)
def client(request: pytest.FixtureRequest) -> Iterator[Driver]:
    """Each of the clients, in a process that all tests of a module share."""
    with driving(request.param) as driver:
        yield driver


@pytest.fixture
def service() -> Iterator[Scripted]:
    with scripted() as service:
        yield service
