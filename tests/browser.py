"""A real browser for tests: Chromium as the machine has it, else the one that Playwright installs."""

import os
import shutil
from typing import Any

import pytest

# Playwright keeps an event loop running on the thread of the tests, where Django then refuses its database.
os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "true")

CHROMIUMS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = [
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]

# The `pytestmark` of modules with browsers: what others warn of while a browser and a server are set up.
OWED = [
    # pytest-playwright's `base_url`.
    pytest.mark.filterwarnings("ignore:Session-scoped fixtures defined as instance methods"),
    # WhiteNoise, in the server that starts before a test can tell it where static files are.
    pytest.mark.filterwarnings("ignore:No directory at"),
]


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    installed = next(filter(None, map(shutil.which, CHROMIUMS)), None)
    return {**browser_type_launch_args, "executable_path": installed, "args": FLAGS}
