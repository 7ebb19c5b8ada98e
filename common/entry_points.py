"""The entry point through which the running code was entered, and the id of its request."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from enum import StrEnum


class EntryPoint(StrEnum):
    API = "api"
    ADMIN = "admin"
    COMMAND = "command"
    TASK = "task"


@dataclass(frozen=True, slots=True)
class Entry:
    entry_point: EntryPoint
    request_id: str = ""


# Code that no entry point has marked runs in a shell, which counts as a command.
_entry: ContextVar[Entry] = ContextVar("entry", default=Entry(EntryPoint.COMMAND))  # noqa: B039 - frozen


@contextmanager
def entering(entry_point: EntryPoint, request_id: str = "") -> Iterator[None]:
    """Code inside this block was entered through the entry point."""
    token = _entry.set(Entry(entry_point, request_id))
    try:
        yield
    finally:
        _entry.reset(token)


def current_entry() -> Entry:
    return _entry.get()
