"""Through which door the running code was entered, and in which request."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from enum import StrEnum


class Door(StrEnum):
    API = "api"
    ADMIN = "admin"
    COMMAND = "command"
    TASK = "task"


@dataclass(frozen=True, slots=True)
class Origin:
    door: Door
    request_id: str = ""


# Code that came in through no door of ours is somebody's shell.
_origin: ContextVar[Origin] = ContextVar("origin", default=Origin(Door.COMMAND))  # noqa: B039 - frozen


@contextmanager
def entering(door: Door, request_id: str = "") -> Iterator[None]:
    """What happens inside this block came through `door`."""
    token = _origin.set(Origin(door, request_id))
    try:
        yield
    finally:
        _origin.reset(token)


def origin() -> Origin:
    return _origin.get()
