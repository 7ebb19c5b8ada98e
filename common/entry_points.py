"""The entry point through which the running code was called, and the id of its request or job."""

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
class CallContext:
    entry_point: EntryPoint
    request_id: str = ""


# Code outside of `called_through` runs in a shell, which counts as a command.
_context: ContextVar[CallContext] = ContextVar("call_context", default=CallContext(EntryPoint.COMMAND))  # noqa: B039 - frozen


@contextmanager
def called_through(entry_point: EntryPoint, request_id: str = "") -> Iterator[None]:
    """Audit rows and log lines of the block have this entry point and this request id."""
    token = _context.set(CallContext(entry_point, request_id))
    try:
        yield
    finally:
        _context.reset(token)


def current_context() -> CallContext:
    return _context.get()
