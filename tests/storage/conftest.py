"""Fixtures: a server that speaks S3, a bucket on it, and a storage of each kind."""

import io
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.management import CommandError, call_command

from common.storage import storage
from tests.s3 import ObjectServer, TestBucket, running_object_server


@pytest.fixture(scope="session")
def object_server() -> Iterator[ObjectServer]:
    with running_object_server() as server:
        yield server


@pytest.fixture
def bucket(object_server: ObjectServer, settings: Any) -> Iterator[TestBucket]:
    """The bucket that this process uses."""
    made = object_server.new_bucket(prefix="kumanda/media")
    made.use(settings)
    yield made
    gate = object_server.gate
    gate.mode, gate.answer = "", b""


@pytest.fixture(params=["local", pytest.param("s3", marks=pytest.mark.slow)])
def kind(request: pytest.FixtureRequest) -> str:
    """The test runs with a folder and with a bucket."""
    if request.param == "s3":
        request.getfixturevalue("bucket")
    return str(request.param)


@pytest.fixture
def make_old(kind: str, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Lets all files be two hours old. Those of a bucket cannot be changed, so there the clock is put forward."""

    def age() -> None:
        if kind == "s3":
            now = time.time
            monkeypatch.setattr("common.storage.checking.time.time", lambda: now() + 7_200)
            return
        for path in Path(settings.MEDIA_ROOT).rglob("*"):
            os.utime(path, (time.time() - 7_200,) * 2)

    return age


def save(name: str, content: bytes = b"picture") -> str:
    return storage().save(name, ContentFile(content))


def media(action: str, *words: str) -> dict[str, Any]:
    """What `media check` or `media copy` reports, whatever its exit code."""
    out = io.StringIO()
    with suppress(CommandError):
        call_command("media", action, *words, "--json", stdout=out)
    facts: dict[str, Any] = json.loads(out.getvalue())
    return facts
