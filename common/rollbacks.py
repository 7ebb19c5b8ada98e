"""Undoing what is not part of the database, such as stored files, when the transaction of a request is rolled back."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from django.db import InterfaceError, OperationalError

_undo: ContextVar[list[Callable[[], object]] | None] = ContextVar("undo", default=None)


@contextmanager
def undone_on_rollback() -> Iterator[None]:
    """Put it around a transaction: calls what `on_rollback` was given inside, the last first, if the block raises."""
    outer = _undo.get()
    undo: list[Callable[[], object]] = []
    token = _undo.set(undo)
    try:
        yield
        if outer is not None:  # that transaction may still be rolled back
            outer.extend(undo)
    except BaseException:
        for call in reversed(undo):
            call()
        raise
    finally:
        _undo.reset(token)


def on_rollback(undo: Callable[[], object]) -> None:
    """Call `undo` if the transaction around this service is rolled back. It may be called twice.

    Without a transaction around it, the service notices failures itself, and this does nothing.
    """
    if (registered := _undo.get()) is not None:
        registered.append(undo)


# Connection exceptions, and the end of a server process, which may come while COMMIT waits for a replica.
_LOST = ("08", "57P")


def may_be_committed(error: BaseException | None) -> bool:
    """Whether a transaction that ended with this error is perhaps committed: its connection was lost.

    An error that the server reported for a statement, such as a time limit, has a code, and is a rollback.
    """
    if not isinstance(error, (OperationalError, InterfaceError)):
        return False
    code = getattr(error.__cause__, "sqlstate", None)
    return code is None or code.startswith(_LOST)
