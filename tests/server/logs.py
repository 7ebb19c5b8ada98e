"""What `serve` writes to standard error, as JSON."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.patience import wait_until

type Lines = Callable[[], list[dict[str, Any]]]


class Logged:
    """The lines that programs have logged so far; `capfd` was requested before they were started."""

    def __init__(self, capfd: pytest.CaptureFixture[str]) -> None:
        self._capfd = capfd
        self.text = ""

    def lines(self, event: str) -> list[dict[str, Any]]:
        """The lines whose event begins so."""
        self.text += self._capfd.readouterr().err
        complete = self.text.splitlines(keepends=True)
        found = [json.loads(line) for line in complete if line.startswith("{") and line.endswith("\n")]
        return [line for line in found if str(line["event"]).startswith(event)]

    def wait_for(self, event: str, count: int = 1) -> list[dict[str, Any]]:
        wait_until(lambda: len(self.lines(event)) >= count)
        return self.lines(event)
