"""The database backend: Django's own, with bounded waits, and the embedded server when the settings ask for one."""

import select
from pathlib import Path
from typing import Any

import psycopg
from django.core.exceptions import ImproperlyConfigured
from django.db.backends.postgresql import base
from psycopg.errors import _WaitTimeout

from common.postgres.embedded import PORT, server_in

# A server that answers within its own time limits is not cut off by ours.
GRACE_SECONDS = 0.25


class ServerSilent(psycopg.OperationalError):
    """The server has not answered in time. Whether it has carried out the statement is not known."""


class BoundedConnection(psycopg.Connection[Any]):
    """Gives up on a server that does not answer: one that is stopped or unreachable ends no statement itself."""

    answer_seconds: float | None = None

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        if timeout is not None or self.answer_seconds is None:
            return super().wait(gen, interval, timeout)
        try:
            return super().wait(gen, interval, self.answer_seconds)
        except _WaitTimeout as error:
            # Closed without a word to the server. A rollback would wait for an answer as well.
            self.pgconn.finish()
            raise ServerSilent(f"the server has not answered within {self.answer_seconds} seconds") from error


class DatabaseWrapper(base.DatabaseWrapper):
    """Takes two settings more than Django's backend. Without them it is Django's backend.

    `EMBEDDED_DATA_DIR` is the folder of a private server. HOST and PORT are then filled in here, and USER names both
    the server's only role and the database that is there from the start.

    `TIME_LIMITS` maps PostgreSQL's settings `statement_timeout`, `lock_timeout` and
    `idle_in_transaction_session_timeout` to seconds. A server that is silent for longer than the first is given up.
    """

    def get_connection_params(self) -> dict[str, Any]:
        # Every new connection passes here, so a server that died meanwhile comes back with the next one.
        folder = self.settings_dict.get("EMBEDDED_DATA_DIR")
        if folder:
            if not self.settings_dict["USER"]:
                raise ImproperlyConfigured("EMBEDDED_DATA_DIR needs USER: the server's role and first database.")
            sockets = server_in(Path(folder), owner=self.settings_dict["USER"]).ensure_running()
            self.settings_dict.update(HOST=str(sockets), PORT=PORT)
        return super().get_connection_params()

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        connection = super().get_new_connection(conn_params)
        if limits := self.settings_dict.get("TIME_LIMITS"):
            # Django calls psycopg.connect() and offers no way to name another class.
            connection.__class__ = BoundedConnection
            connection.answer_seconds = limits["statement_timeout"] + GRACE_SECONDS
        return connection

    def init_connection_state(self) -> None:
        super().init_connection_state()
        if limits := self.settings_dict.get("TIME_LIMITS"):
            values = [(name, str(round(seconds * 1000))) for name, seconds in limits.items()]
            with self.connection.cursor() as cursor:
                calls = ", ".join(["set_config(%s, %s, false)"] * len(values))
                cursor.execute(f"SELECT {calls}", [part for value in values for part in value])

    def is_usable(self) -> bool:
        """Whether the connection still lives, as far as this side can tell without asking the server.

        The end of a connection, like everything that a server says unasked, makes its socket readable. Only then the
        server is asked, so that CONN_HEALTH_CHECKS costs a request no round trip.
        """
        if self.connection is None or self.connection.closed:
            return False
        waiting = select.poll()
        waiting.register(self.connection.fileno(), select.POLLIN)
        return not waiting.poll(0) or bool(super().is_usable())
