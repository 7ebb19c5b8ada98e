"""On which server a statement of a read runs: on the replica, or on the primary.

The default is the primary. A statement runs on the replica only if its `Question` is declared with `from_replica`, the
request is a read whose caller's last write is known, the replica has replayed that, and it is neither late nor failed.
All statements of a request that may use the replica run on one server, or on the primary after the replica has failed:
never on the replica after the primary, because that could be ahead.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from django.db import Error, connection, connections
from django.db.utils import NotSupportedError, ProgrammingError

from common.error_texts import first_line
from common.postgres.faults import close_after
from common.postgres.pool import NoConnectionFree
from common.replica.checks import CHECKER, REPLICA
from common.replica.state import STATE, is_configured

logger = logging.getLogger(__name__)

type Rows = list[tuple[Any, ...]]
type Fetch = Callable[[str, Sequence[Any]], Rows]

# Codes of statements that the replica cancelled: by a conflict with what it replays, or by a time limit.
CANCELLED = frozenset(["40001", "40P01", "57014"])


class _Reader:
    """The reads of one request. `uses_replica` is None until the first statement that may."""

    __slots__ = ("last_lsn", "uses_replica")

    def __init__(self, last_lsn: int) -> None:
        self.last_lsn = last_lsn
        self.uses_replica: bool | None = None

    def may_use_replica(self) -> bool:
        if self.uses_replica is None:
            self.uses_replica = STATE.holds(self.last_lsn)
        return self.uses_replica and not is_inside_change()


_reader: ContextVar[_Reader | None] = ContextVar("replica_reader", default=None)


def begin_reading(last_lsn: int | None) -> None:
    """From now on the reads of this request may use a replica that has replayed up to `last_lsn`.

    None: what the caller has written is not known, so they may not. `end_reading` ends it.
    """
    CHECKER.start()  # also when nothing is known: the first check completes the table of positions
    if last_lsn is not None:
        _reader.set(_Reader(last_lsn))


def end_reading() -> None:
    _reader.set(None)


@contextmanager
def reading(last_lsn: int | None) -> Iterator[None]:
    """The same for a block."""
    if is_configured():
        begin_reading(last_lsn)
    try:
        yield
    finally:
        end_reading()


def stay_on_primary() -> None:
    """Let all further reads of this request use the primary: they continue what was read there."""
    if (reader := _reader.get()) is not None:
        reader.uses_replica = False


def was_replica_read() -> bool:
    """Whether the reads of this request that may use the replica did, all of them."""
    reader = _reader.get()
    return reader is not None and bool(reader.uses_replica)


def is_inside_change() -> bool:
    """Whether a transaction is open on the primary, whose own writes the replica cannot have."""
    return connection.in_atomic_block


def from_either(sql: str, values: Sequence[Any], from_primary: Fetch) -> Rows:
    """The rows of a statement that may run on the replica; `from_primary` runs it on the primary.

    If it fails on the replica for whatever reason, it is repeated on the primary, whose errors are raised.
    """
    reader = _reader.get()
    if reader is not None and reader.may_use_replica():
        if connection.pool:  # type: ignore[attr-defined]
            connection.close()  # others may need it while this call waits for the replica
        try:
            return fetched_from_replica(sql, values)
        except Error as error:
            reader.uses_replica = False
            _note_failure(error)
    return from_primary(sql, values)


def fetched_from_replica(sql: str, values: Sequence[Any]) -> Rows:
    with connections[REPLICA].cursor() as cursor:
        cursor.execute(sql, values)
        return cursor.fetchall()


def _note_failure(error: Error) -> None:
    close_after(error, connections[REPLICA])
    is_cancelled = getattr(error.__cause__, "sqlstate", None) in CANCELLED
    if is_cancelled or isinstance(error.__cause__, NoConnectionFree):
        logger.info("a statement was not answered by the replica, and is repeated on the primary: %s", error)
    elif isinstance(error, (ProgrammingError, NotSupportedError)):
        # It has not replayed a migration yet, or has just replayed one.
        logger.warning("a statement failed on the replica, and is repeated on the primary: %s", error)
    else:
        STATE.leave_out(f"a statement failed: {first_line(error)}")
        logger.warning("the replica failed, and is not read before it has been checked: %s", error)
