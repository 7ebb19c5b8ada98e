"""The clients as processes that do what a test asks for, so that the same tests run with each of them."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from select import select
from typing import Any

from clients import build

LONGEST = 60  # seconds that a method may take

COMMANDS = {
    "python": [sys.executable, str(build.PYTHON / "tests" / "driver.py")],
    "python-asyncio": [sys.executable, str(build.PYTHON / "tests" / "driver.py"), "asyncio"],
    "typescript": [str(build.BIN / "node"), str(build.TYPESCRIPT / "tests" / "driver.ts")],
}


class Refused(Exception):
    """What the client raised: `code` is that of the service, or `no answer`, or the name of the exception."""

    def __init__(self, *, code: str, status: int | None = None, errors: list[str] | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.status = status
        self.errors = errors


class Driver:
    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def do(self, name: str, **arguments: Any) -> Any:
        """The result of a method of the driver. Raises Refused."""
        self.start(name, **arguments)
        return self.result()

    def start(self, name: str, **arguments: Any) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": name, **arguments}) + "\n")
        self._process.stdin.flush()

    def result(self) -> Any:
        """What the method that was started last gives."""
        assert self._process.stdout is not None
        ready, _, _ = select([self._process.stdout], [], [], LONGEST)
        assert ready, f"no result within {LONGEST} seconds"
        line = self._process.stdout.readline()
        assert line, "the driver has ended"
        answer = json.loads(line)
        if "error" in answer:
            raise Refused(**answer["error"])
        return answer["result"]


@contextmanager
def driving(language: str) -> Iterator[Driver]:
    with subprocess.Popen(
        COMMANDS[language],
        env=os.environ | {"PYTHONPATH": str(build.PYTHON), "PYTHONSAFEPATH": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield Driver(process)
        finally:
            process.kill()
