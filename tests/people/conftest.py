"""Fixtures: a person about whom every table has rows."""

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from common.entry_points import EntryPoint, called_through
from tests.people.world import World, filled


@pytest.fixture(autouse=True)
def folder(settings: Any, tmp_path: Path) -> Path:
    """That of the archives of the audit trail."""
    settings.AUDIT_ARCHIVE_FOLDER = tmp_path / "archive"
    return tmp_path / "archive"


@pytest.fixture
def world(db: None, now: datetime) -> World:
    """Its audit rows have an address."""
    with called_through(EntryPoint.COMMAND, meta={"REMOTE_ADDR": "198.51.100.7"}):
        return filled(now)
