"""Running coroutines in tests."""

import asyncio
from collections.abc import Coroutine
from typing import Any


def run[T](coroutine: Coroutine[Any, Any, T]) -> T:
    """As `asyncio.run`, also in a process that has run tests with a browser.

    The event loop of Playwright waits in a greenlet, and counts as running for the rest of the process.
    """
    waiting = asyncio._get_running_loop()
    asyncio._set_running_loop(None)
    try:
        return asyncio.run(coroutine)
    finally:
        asyncio._set_running_loop(waiting)
