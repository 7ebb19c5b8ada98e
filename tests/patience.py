"""How long tests wait for other processes. It only ends a test that hangs: a busy machine may need minutes."""

import time
from collections.abc import Callable

PATIENCE = 240  # seconds; pytest ends a test after 300


def wait_until[Found](ask: Callable[[], Found], *, seconds: float = PATIENCE) -> Found:
    """The result of `ask`, once it is true or not empty. Raises AssertionError after `seconds`."""
    end = time.monotonic() + seconds
    while not (found := ask()):
        assert time.monotonic() < end, f"condition not met after {seconds} seconds"
        time.sleep(0.02)
    return found
