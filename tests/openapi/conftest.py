"""The generated OpenAPI document, and the browser for the playground's tests."""

# drf-spectacular is marked as typed, but most of it is not.
# mypy: disable-error-code="no-untyped-call"

from collections.abc import Iterator
from threading import Thread
from typing import Any

import pytest
from drf_spectacular.generators import SchemaGenerator

from tests.browser import browser_type_launch_args  # noqa: F401 - a fixture
from tests.openapi.contents import Document
from tests.openapi.playground import Production


@pytest.fixture(scope="module")
def document() -> Document:
    found: Document = SchemaGenerator().get_schema(public=True)
    return found


@pytest.fixture
def production() -> Iterator[Production]:
    server = Production()
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(autouse=True)
def no_script_error(request: pytest.FixtureRequest) -> Iterator[None]:
    """An error of a script of the page fails the test, with its text."""
    errors: list[str] = []
    if "page" in request.fixturenames:
        request.getfixturevalue("page").on("pageerror", lambda error: errors.append(str(error)))
    yield
    assert errors == []


@pytest.fixture(autouse=True)
def places(request: pytest.FixtureRequest, settings: Any) -> None:
    """The servers of the document, in tests that start them."""
    if "live_server" in request.fixturenames:
        settings.DEVELOPMENT_SERVER_URL = request.getfixturevalue("live_server").url
        settings.PRODUCTION_SERVER_URL = request.getfixturevalue("production").url
