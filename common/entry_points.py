"""The entry point through which the running code was called, and the id of its request or job."""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class EntryPoint(StrEnum):
    API = "api"
    ADMIN = "admin"
    COMMAND = "command"
    TASK = "task"


@dataclass(frozen=True, slots=True)
class CallContext:
    entry_point: EntryPoint
    request_id: str = ""
    meta: Mapping[str, Any] | None = None  # the environ of the request


# Code outside of `called_through` runs in a shell, which counts as a command.
_context: ContextVar[CallContext] = ContextVar("call_context", default=CallContext(EntryPoint.COMMAND))  # noqa: B039 - frozen


def called_through(
    entry_point: EntryPoint, request_id: str = "", meta: Mapping[str, Any] | None = None
) -> AbstractContextManager[None]:
    """Audit rows and log lines of the block have this entry point and this request id.

    `meta` is the environ of the request: audit rows have the address of its client, log lines nothing of it.
    """
    return called_as(CallContext(entry_point, request_id, meta))


@contextmanager
def called_as(context: CallContext) -> Iterator[None]:
    """The same with a context that was current before, for what is done after its request."""
    token = _context.set(context)
    try:
        yield
    finally:
        _context.reset(token)


def current_context() -> CallContext:
    return _context.get()
