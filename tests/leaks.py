"""A check of the whole run: nothing that a test lets the service log has a password, a key or a token.

It reads what tests, and the processes that they start, write to standard error: as pytest captures it, as tests read it
themselves, and what they keep in files.
"""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.conf import settings

# Those of all tests, and those of the present one, each with a name that says what it is.
_constant: dict[str, str] = {}
_of_test: dict[str, str] = {}
_read: list[str] = []


def plant(name: str, secret: str) -> str:
    """`secret`, which no log may have from now on, in any test."""
    _constant[secret] = name
    return secret


def plant_for_test(name: str, secret: str) -> str:
    """`secret`, which no log may have until the end of this test."""
    _of_test[secret] = name
    return secret


def note(written: str | bytes | None) -> None:
    """Check what a test has read of standard error itself at the end of the test."""
    if written:
        _read.append(written if isinstance(written, str) else written.decode(errors="replace"))


def check(report: pytest.TestReport) -> None:
    """Let the test fail whose log has a secret."""
    written = "".join([*_read, *(text for name, text in report.sections if name == f"Captured stderr {report.when}")])
    _read.clear()
    found = sorted({name for secret, name in (_constant | _of_test).items() if secret in written}) if written else []
    if found and report.outcome != "failed":
        report.outcome = "failed"
        report.longrepr = f"the log has secrets: {', '.join(found)}\n{_around(written)}"
    if report.when == "teardown":
        _of_test.clear()


def _around(written: str) -> str:
    """The first line with one."""
    secrets = (*_constant, *_of_test)
    return next(line for line in written.splitlines() if any(secret in line for secret in secrets))[:2_000]


@contextmanager
def watching() -> Iterator[None]:
    """Note what tests read of standard error by pytest's fixtures, and of processes that they wait for."""
    plant("SECRET_KEY", settings.SECRET_KEY)
    plant("JWT_SIGNING_KEY", settings.JWT_SIGNING_KEY)
    readouterr, communicate = pytest.CaptureFixture.readouterr, subprocess.Popen.communicate

    def noted_readouterr(fixture: Any) -> Any:
        captured = readouterr(fixture)
        note(captured.err)
        return captured

    def noted_communicate(process: Any, *args: Any, **options: Any) -> Any:
        output, errors = communicate(process, *args, **options)
        note(errors)
        return output, errors

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pytest.CaptureFixture, "readouterr", noted_readouterr)
        patch.setattr(subprocess.Popen, "communicate", noted_communicate)
        yield
