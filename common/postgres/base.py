"""The database backend: Django's, with limited waits, and with an embedded server if the settings name one."""

import select
from pathlib import Path
from typing import Any

import psycopg
from django.core.exceptions import ImproperlyConfigured
from django.db.backends.postgresql import base
from psycopg.errors import _WaitTimeout

from common.postgres.embedded import PORT, server_in

# Added to statement_timeout, so that the error of the server itself arrives first.
GRACE_SECONDS = 0.25


class ServerSilent(psycopg.OperationalError):
    """The server has not answered in time. Whether it has executed the statement is unknown."""


class BoundedConnection(psycopg.Connection[Any]):
    """Limits the wait for the server: one that is stopped or unreachable cannot enforce statement_timeout."""

    answer_seconds: float | None = None

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        if timeout is not None or self.answer_seconds is None:
            return super().wait(gen, interval, timeout)
        try:
            return super().wait(gen, interval, self.answer_seconds)
        except _WaitTimeout as error:
            # Closed without notice to the server: a rollback would wait for an answer too.
            self.pgconn.finish()
            raise ServerSilent(f"the server has not answered within {self.answer_seconds} seconds") from error


class DatabaseWrapper(base.DatabaseWrapper):
    """Django's backend with two more settings. Without them it behaves like Django's.

    `EMBEDDED_DATA_DIR` is the folder of a private server. HOST and PORT are then filled in here, and USER names both
    the server's only role and the database that is there from the start.

    `TIME_LIMITS` maps PostgreSQL's settings `statement_timeout`, `lock_timeout` and
    `idle_in_transaction_session_timeout` to seconds. The connection is closed if the server does not answer for longer
    than the first. With them, JIT compilation is off.
    """

    def get_connection_params(self) -> dict[str, Any]:
        # Called for every new connection, so a server that died is started again by the next one.
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
            # For a statement of many cheap parts, JIT compilation takes longer than the statement.
            values.append(("jit", "off"))
            with self.connection.cursor() as cursor:
                calls = ", ".join(["set_config(%s, %s, false)"] * len(values))
                cursor.execute(f"SELECT {calls}", [part for value in values for part in value])

    def is_usable(self) -> bool:
        """Whether the connection is usable. The server is queried only if the socket is readable.

        The end of a connection, like every unrequested message of the server, makes its socket readable. So
        CONN_HEALTH_CHECKS costs most requests no round trip.
        """
        if self.connection is None or self.connection.closed:
            return False
        waiting = select.poll()
        waiting.register(self.connection.fileno(), select.POLLIN)
        return not waiting.poll(0) or bool(super().is_usable())
