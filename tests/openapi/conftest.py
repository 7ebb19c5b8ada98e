"""The browser of the playground's tests."""

from tests.browser import browser_type_launch_args  # noqa: F401 - a fixture
