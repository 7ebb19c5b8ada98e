"""A backup that finds no space: refused before, or stopped in the middle. It leaves nothing."""

import io
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from accounts.models import User
from common.backup import making
from tests.commands.backups import backup_here, names_in, pictured_stream
from tests.full_disks import full, limited_files

pytestmark = pytest.mark.django_db(transaction=True)

type Filling = Callable[[Path], AbstractContextManager[None]]
FULL = [pytest.param(full, id="full file system"), pytest.param(lambda _folder: limited_files(), id="limited files")]


def failure_of(folder: Path, *words: str) -> str:
    with pytest.raises(CommandError) as failed:
        call_command("backup", "--folder", str(folder), *words, stdout=io.StringIO())
    assert failed.value.returncode == 1
    return str(failed.value)


@pytest.mark.parametrize("filled", FULL)
def test_a_disk_that_becomes_full_stops_the_backup_and_nothing_is_left(
    filled: Filling, creator: User, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pictured_stream(creator)
    folder = tmp_path / "backups"
    folder.mkdir()
    monkeypatch.setattr(making, "refuse_little_space", lambda folder, needed: None)

    with filled(folder):
        message = failure_of(folder)
        left = [name for name in names_in(folder) if name != "filler"]

    assert f"The backup cannot be written to {folder}: " in message
    assert left == []
    assert backup_here(folder).is_dir()


@pytest.mark.parametrize("words", [[], ["--dry-run"]])
def test_too_little_space_is_refused_before(
    words: list[str], creator: User, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def usage(folder: Any) -> Any:
        return type("Usage", (), {"free": 100_000})

    monkeypatch.setattr(shutil, "disk_usage", usage)

    message = failure_of(tmp_path / "backups", *words)

    assert "backups has 0 MB of free space, and up to " in message
    assert names_in(tmp_path / "backups") == []
