"""The generated OpenAPI document, and the browser for the playground's tests."""

# drf-spectacular is marked as typed, but most of it is not.
# mypy: disable-error-code="no-untyped-call"

import pytest
from drf_spectacular.generators import SchemaGenerator

from tests.browser import browser_type_launch_args  # noqa: F401 - a fixture
from tests.openapi.contents import Document


@pytest.fixture(scope="module")
def document() -> Document:
    found: Document = SchemaGenerator().get_schema(public=True)
    return found
