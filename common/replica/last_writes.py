"""At which position of the write-ahead log (LSN) the last change of each caller was committed, for all processes.

A row is written after the commit of a change and before its answer, by a statement of its own. The position is then at
or after the commit. The table is unlogged, so the statement does not wait for the disk, and the table is empty after a
crash of the server and on a replica that was promoted. Its row `ALL` says since when it is complete: its position is
that of a moment after the last time that the table was empty. A replica that has reached both may be read for a caller.
"""

import logging
from collections.abc import Collection
from functools import partial
from typing import Any

from django.db import DatabaseError, InterfaceError, OperationalError, connection, models, transaction
from django.db.models import Func

from common.replica.state import is_configured

logger = logging.getLogger(__name__)

ALL = "0" * 24  # no caller has this id
KEPT_SECONDS = 3600  # longer than the lag of a replica that is read
ROWS_AT_ONCE = 10_000

_NOTE = """
    INSERT INTO common_lastwrite AS known (caller, lsn, written_at)
    SELECT caller, pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint, statement_timestamp()
    FROM unnest(%s::bytea[]) AS given (caller) ORDER BY caller
    ON CONFLICT (caller) DO UPDATE SET lsn = greatest(known.lsn, excluded.lsn), written_at = excluded.written_at
"""
# The position that a replica can have by now, whether that of `ALL` is beyond all that the server has written, and it.
_POSITIONS = """
    SELECT pg_wal_lsn_diff(pg_current_wal_flush_lsn(), '0/0')::bigint,
        known.lsn > pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0'), known.lsn
    FROM (SELECT) AS always LEFT JOIN common_lastwrite AS known ON known.caller = %s
"""
_DELETE = """
    DELETE FROM common_lastwrite WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM common_lastwrite
        WHERE written_at < statement_timestamp() - %s::integer * interval '1 second' AND caller <> %s
        LIMIT %s FOR UPDATE SKIP LOCKED
    ))
"""


class LastLsn(Func):
    """The position that a replica must have reached to be read for a caller; NULL if the table is not complete."""

    template = (
        "(SELECT CASE WHEN bool_or(written.caller = %(all)s) THEN max(written.lsn) END"
        " FROM common_lastwrite AS written WHERE written.caller IN (%(expressions)s, %(all)s))"
    )
    output_field = models.BigIntegerField()

    def __init__(self, caller: Any) -> None:
        super().__init__(caller, all=f"'\\x{ALL}'::bytea")


def with_last_lsn(rows: models.QuerySet[Any], *, caller: Any, is_asked: bool) -> models.QuerySet[Any]:
    """`rows` with the annotation `last_lsn`: of `caller` if `is_asked`, else the queryset itself."""
    return rows.annotate(last_lsn=LastLsn(caller)) if is_asked else rows


def note_write(*callers: str) -> None:
    """Store that a change of, or about, these callers was committed just now. Call it outside of transactions.

    A failure is only logged, because the change was made and is to be answered.
    """
    if not is_configured():
        return
    given = [bytes.fromhex(caller) for caller in sorted(set(callers))]
    try:
        try:
            _execute(_NOTE, [given])
        except (OperationalError, InterfaceError):
            connection.close()  # once more, on a new connection
            _execute(_NOTE, [given])
    except (DatabaseError, InterfaceError):
        logger.warning("a change was not noted, so a replica may be read before it has it", exc_info=True)


def note_write_of_others(callers: Collection[str]) -> None:
    """As `note_write`, for callers whom the change of somebody else concerns, when the transaction is committed."""
    if callers and is_configured():
        transaction.on_commit(partial(note_write, *callers), robust=True)


def position_of_primary() -> int:
    """The position up to which a replica can have replayed by now. Makes the table usable if it is not."""
    with connection.cursor() as cursor:
        cursor.execute(_POSITIONS, [bytes.fromhex(ALL)])
        primary, is_of_another, complete_since = cursor.fetchone()
    if is_of_another:  # the rows come from a dump of another server
        _execute("DELETE FROM common_lastwrite", [])
    if is_of_another or complete_since is None:
        _execute(_NOTE, [[bytes.fromhex(ALL)]])
    position: int = primary
    return position


def _execute(sql: str, values: list[Any]) -> int:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return cursor.rowcount


def delete_expired() -> None:
    """Delete the rows that have no effect any more, in short transactions."""
    while _execute(_DELETE, [KEPT_SECONDS, bytes.fromhex(ALL), ROWS_AT_ONCE]) == ROWS_AT_ONCE:
        pass
