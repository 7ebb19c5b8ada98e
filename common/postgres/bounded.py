"""A psycopg connection that limits each wait for the server."""

import select
import threading
from collections.abc import Generator
from math import inf
from time import monotonic
from typing import Any

import psycopg
from psycopg.errors import ConnectionTimeout, _WaitTimeout
from psycopg.pq import TransactionStatus

from common.postgres.deadlines import seconds_left

# Added to statement_timeout, so that the error of the server itself arrives first.
GRACE_SECONDS = 0.25
# How long a request to cancel a statement may take.
CANCEL_SECONDS = 0.1


class _Tally(threading.local):
    """How often this thread has sent something to a server and waited for the answer: statements and commits."""

    calls = 0


tally = _Tally()

# Errors which say that the connection is lost.
LOST = (psycopg.OperationalError, psycopg.InterfaceError)


class ServerSilent(psycopg.OperationalError):
    """The server has not answered in time. Whether it has executed the statement is unknown."""


class BoundedConnection(psycopg.Connection[Any]):
    """Limits the wait for the server: one that is stopped or unreachable cannot enforce statement_timeout.

    It waits until the deadline of the thread (`common/postgres/deadlines.py`), and at most `answer_seconds`. Without
    both it waits like any other connection.
    """

    answer_seconds = inf
    # Whether a silent server is asked to cancel the statement. That is for a pooler whose server connections may lack
    # a statement_timeout: they would go on waiting, for instance for a lock, when the client has gone.
    cancels = False
    # For a pool: whether the backend has prepared it for use, and when it was returned, on the monotonic clock.
    is_prepared = False
    idle_since = 0.0
    _poll: "select.poll | None" = None

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        tally.calls += 1
        if timeout is not None:
            return super().wait(gen, interval, timeout)
        seconds = min(self.answer_seconds, seconds_left())
        try:
            return super().wait(gen, interval, None if seconds == inf else seconds)
        except _WaitTimeout as error:
            if self.cancels:
                self._cancel()
            # Closed without notice to the server: a rollback would wait for an answer too.
            self.pgconn.finish()
            raise ServerSilent(f"the server has not answered within {seconds:.2f} seconds") from error
        except psycopg.Error as error:
            # A pooler that loses the connection to the server answers, and ends the connection: two results of one
            # COMMIT, which psycopg calls an internal error.
            if error.sqlstate is None and self.closed and not isinstance(error, LOST):
                raise psycopg.OperationalError("the connection was lost") from error
            raise

    @classmethod
    def _connect_gen(cls, conninfo: str = "") -> Generator[Any, Any, Any]:
        """As psycopg's, until the deadline: `connect_timeout` is in whole seconds, at least two, for each host.

        psycopg continues it at least every 0.1 seconds.
        """
        connecting = super()._connect_gen(conninfo)
        until = monotonic() + seconds_left()
        try:
            awaited = next(connecting)
            while monotonic() < until:
                awaited = connecting.send((yield awaited))
        except StopIteration as end:
            return end.value
        raise ConnectionTimeout("the server has not accepted the connection in time")

    def is_alive(self) -> bool:
        """Whether it can be used. The server is queried only if the socket is readable.

        The end of a connection, like every unrequested message of the server, makes its socket readable. So this costs
        no round trip as a rule.
        """
        if self.closed:
            return False
        if self._poll is None:
            self._poll = select.poll()
            self._poll.register(self.fileno(), select.POLLIN)
        if not self._poll.poll(0):
            return True
        try:
            self.execute("SELECT 1")
        except psycopg.Error:
            return False
        return True

    def is_at_rest(self) -> bool:
        """Whether it is open, outside a transaction, and in autocommit mode."""
        return self.pgconn.transaction_status == TransactionStatus.IDLE and self.autocommit

    def _cancel(self) -> None:
        try:
            self.cancel_safe(timeout=CANCEL_SECONDS)
        except psycopg.Error:
            return  # the pooler does not answer either
