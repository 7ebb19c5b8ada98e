"""The entry point through which the running code was entered, and the id of its request."""

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


# Code that no entry point has marked runs in a shell, which counts as a command.
_origin: ContextVar[Origin] = ContextVar("origin", default=Origin(Door.COMMAND))  # noqa: B039 - frozen


@contextmanager
def entering(door: Door, request_id: str = "") -> Iterator[None]:
    """Code inside this block was entered through the entry point `door`."""
    token = _origin.set(Origin(door, request_id))
    try:
        yield
    finally:
        _origin.reset(token)


def origin() -> Origin:
    return _origin.get()
