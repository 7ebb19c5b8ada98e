"""What programs write to standard error, as JSON."""

import json
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests import leaks
from tests.patience import wait_until

type Lines = Callable[[], list[dict[str, Any]]]


class _Lines(ABC):
    """The lines that programs have logged so far."""

    text = ""

    @abstractmethod
    def _read(self) -> None:
        """Let `text` have what has been written so far."""

    def all(self) -> list[dict[str, Any]]:
        self._read()
        complete = self.text.splitlines(keepends=True)
        return [json.loads(line) for line in complete if line.startswith("{") and line.endswith("\n")]

    def lines(self, event: str) -> list[dict[str, Any]]:
        """The lines whose event begins so."""
        return [line for line in self.all() if str(line["event"]).startswith(event)]

    def wait_for(self, event: str, count: int = 1) -> list[dict[str, Any]]:
        wait_until(lambda: len(self.lines(event)) >= count)
        return self.lines(event)

    def of_request(self, request_id: str) -> dict[str, Any]:
        """The line of the access log about the request with this id. A line may follow its answer."""

        def found() -> list[dict[str, Any]]:
            return [line for line in self.lines("request") if line.get("request_id") == request_id]

        (line,) = wait_until(found)
        return line


class Logged(_Lines):
    """`capfd` was requested before the programs were started."""

    def __init__(self, capfd: pytest.CaptureFixture[str]) -> None:
        self._capfd = capfd

    def _read(self) -> None:
        self.text += self._capfd.readouterr().err


class LogFile(_Lines):
    """Of programs that were started with this file as their standard error, for tests that share them."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def _read(self) -> None:
        written = self.path.read_text()
        leaks.note(written[len(self.text) :])
        self.text = written
