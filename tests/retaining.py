"""Running single kinds of retention."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from common.items import Items
from common.retention import Removal, kinds


def remove(name: str, *, now: datetime, dry_run: bool = False) -> int:
    """How many rows of the kind were removed, or would be."""
    return _removal(name, now=now, dry_run=dry_run).count


def foreseen(name: str, *, now: datetime) -> Removal:
    """What a dry run finds."""
    return _removal(name, now=now, dry_run=True)


def _removal(name: str, *, now: datetime, dry_run: bool) -> Removal:
    (kind,) = (kind for kind in kinds() if kind.name == name)
    removal = Removal(dry_run, Items("purge"))
    kind.remove(now, removal)
    return removal


def in_chunks(monkeypatch: pytest.MonkeyPatch, function: Callable[..., Any], *, size: int) -> None:
    """Let a function of `common.retention` remove so many rows in one transaction."""
    monkeypatch.setitem(function.__kwdefaults__ or {}, "size", size)
