"""The browser for tests: Chromium of the machine, else the one that Playwright installs."""

import os
import shutil
from typing import Any

import pytest

# Playwright runs an event loop in the thread of the tests, where Django then refuses database access.
os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "true")

CHROMIUMS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = [
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]

# The `pytestmark` of modules with browsers: ignores warnings of libraries during the set-up of browser and server.
OWED = [
    # pytest-playwright's `base_url`.
    pytest.mark.filterwarnings("ignore:Session-scoped fixtures defined as instance methods"),
    # WhiteNoise, because the server starts before a test can set the folder of static files.
    pytest.mark.filterwarnings("ignore:No directory at"),
]


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    installed = next(filter(None, map(shutil.which, CHROMIUMS)), None)
    return {**browser_type_launch_args, "executable_path": installed, "args": FLAGS}
