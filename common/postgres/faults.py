"""Errors that say that the database is not available now, whatever the statement was."""

from django.db import InterfaceError, OperationalError
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg.errors import (
    IdleInTransactionSessionTimeout,
    InsufficientPrivilege,
    ReadOnlySqlTransaction,
    TransactionTimeout,
)

# PostgreSQL has these in the class of invalid transaction states, which for Django are errors of the program. The last
# one is that of a primary that became a replica.
ENDED = (IdleInTransactionSessionTimeout, TransactionTimeout, ReadOnlySqlTransaction)


def is_unavailable(error: BaseException) -> bool:
    """Whether `error`, one of Django's, comes from a database that is gone, silent, busy, stopped or read-only."""
    return isinstance(error, (OperationalError, InterfaceError)) or isinstance(error.__cause__, ENDED)


def is_denied(error: BaseException) -> bool:
    """Whether `error`, one of Django's, says that the role lacks a privilege."""
    return isinstance(error.__cause__, InsufficientPrivilege)


def close_after(error: BaseException, connection: BaseDatabaseWrapper) -> None:
    """Close the connection on which `error` was raised, unless it can still be used, as after a statement timeout.

    One to a server that became read-only is closed too: the next one may go to the new primary.
    """
    if connection.connection is None:
        return
    if isinstance(error.__cause__, ReadOnlySqlTransaction) or not connection.is_usable():
        connection.connection.close()  # a pool keeps no closed connection
        connection.close()
