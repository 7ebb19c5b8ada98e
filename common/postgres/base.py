"""The database backend: Django's, with limited waits, a pool, and an embedded server if the settings name one."""

import os
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from django.core.exceptions import ImproperlyConfigured
from django.db.backends.base.base import NO_DB_ALIAS
from django.db.backends.postgresql import base
from django.db.backends.signals import connection_created
from psycopg import IsolationLevel

from common.postgres.bounded import GRACE_SECONDS, BoundedConnection
from common.postgres.embedded import PORT, server_in
from common.postgres.pool import Pool

# Seconds that a caller waits for a connection of the pool, unless the entry in DATABASES has another function.
POOL_WAIT_SECONDS = 1.0


class DatabaseWrapper(base.DatabaseWrapper):
    """Django's backend with more settings. Without them it behaves like Django's.

    `EMBEDDED_DATA_DIR` is the folder of a private server. HOST and PORT are then filled in here, and USER names both
    the server's only role and the database that is there from the start.

    `TIME_LIMITS` maps PostgreSQL's settings `statement_timeout`, `lock_timeout` and
    `idle_in_transaction_session_timeout` to seconds; 0 is no limit, and so is a missing one. The connection is closed
    if the server does not answer for longer than the first. With it, JIT compilation is off.

    `IS_TRANSACTION_POOLED`: between this process and the server is a pooler that lends server connections for one
    transaction each. Settings of a session would then apply to whoever gets that server connection next, so none are
    made: the pooler must open its connections with these limits. Those of this process hold anyway.

    `POOL_SIZE` is the number of connections that the threads of this process share; CONN_MAX_AGE must be 0. Each
    thread waits for one as long as `POOL_WAIT` says, a function that returns seconds.

    A thread may have a deadline: see `common/postgres/deadlines.py`.
    """

    _pools: dict[str, Pool] = {}
    # What each new connection runs its statements through: see `execute_wrapper` of Django.
    statement_wrappers: ClassVar[list[Callable[..., Any]]] = []

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.execute_wrappers += self.statement_wrappers

    def get_connection_params(self) -> dict[str, Any]:
        # Called for every new connection, so a server that died is started again by the next one.
        folder = self.settings_dict.get("EMBEDDED_DATA_DIR")
        if folder:
            if not self.settings_dict["USER"]:
                raise ImproperlyConfigured("EMBEDDED_DATA_DIR needs USER: the server's role and first database.")
            sockets = server_in(Path(folder), owner=self.settings_dict["USER"]).ensure_running()
            self.settings_dict.update(HOST=str(sockets), PORT=PORT)
        return super().get_connection_params()

    @classmethod
    def pools(cls) -> dict[str, Pool]:
        """The pools of this process by the aliases of their databases."""
        return dict(cls._pools)

    @cached_property
    def pool(self) -> Pool | None:
        size: int = self.settings_dict.get("POOL_SIZE", 0)
        if not size or self.alias == NO_DB_ALIAS:
            return None
        if self.settings_dict["CONN_MAX_AGE"] != 0 or "isolation_level" in self.settings_dict["OPTIONS"]:
            raise ImproperlyConfigured("POOL_SIZE needs CONN_MAX_AGE 0, and no isolation_level in OPTIONS.")
        wait: Callable[[], float] = self.settings_dict.get("POOL_WAIT", lambda: POOL_WAIT_SECONDS)
        return self._pools.setdefault(self.alias, Pool(size, wait, self.alias))

    def close_pool(self) -> None:
        if self.pool:
            self.pool.close_idle()

    def connect(self) -> None:
        """With a pool, each request calls this. What Django does for a new connection is done for a new one only."""
        if self.pool is None:
            super().connect()
            return
        self.in_atomic_block = False
        self.savepoint_ids = []
        self.atomic_blocks = []
        self.needs_rollback = False
        self.health_check_enabled = False  # the pool has checked it
        self.health_check_done = True
        self.close_at = 0.0  # at the end of the request it returns to the pool
        self.closed_in_transaction = False
        self.errors_occurred = False
        self.autocommit = True
        self.run_on_commit = []
        self.isolation_level = IsolationLevel.READ_COMMITTED
        self.connection = connection = self.pool.getconn(self._opened)
        if not connection.is_prepared:
            try:
                self._configure_connection(connection)  # type: ignore[attr-defined]  # not in the stubs
                self.init_connection_state()
                connection_created.send(sender=self.__class__, connection=self)
            except BaseException:
                connection.close()  # the pool does not keep it
                self.close()
                raise
            connection.is_prepared = True

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        connection = super().get_new_connection(conn_params)
        # Django calls psycopg.connect() and offers no way to name another class.
        connection.__class__ = BoundedConnection
        self._bound(connection)
        return connection

    def _opened(self) -> BoundedConnection:
        connection: BoundedConnection = BoundedConnection.connect(**self.get_connection_params(), autocommit=True)
        self._bound(connection)
        return connection

    def _bound(self, connection: BoundedConnection) -> None:
        if seconds := (self.settings_dict.get("TIME_LIMITS") or {}).get("statement_timeout"):
            connection.answer_seconds = seconds + GRACE_SECONDS
            # PgBouncer 1.18 ends with a crash when it gets many of these requests while the server is silent. A pooler
            # that keeps prepared statements is newer.
            keeps_statements = self.settings_dict["OPTIONS"].get("prepare_threshold") is not None
            connection.cancels = self._is_transaction_pooled and keeps_statements

    def set_autocommit(self, autocommit: bool, *args: Any, **options: Any) -> None:
        """After a transaction that has lost its connection, Django would open one to set what each new one has."""
        if self.connection is not None or not autocommit:
            super().set_autocommit(autocommit, *args, **options)

    @property
    def _is_transaction_pooled(self) -> bool:
        return bool(self.settings_dict.get("IS_TRANSACTION_POOLED"))

    def init_connection_state(self) -> None:
        super().init_connection_state()
        limits = self.settings_dict.get("TIME_LIMITS")
        if not limits or self._is_transaction_pooled:
            return
        values = [(name, str(round(seconds * 1000))) for name, seconds in limits.items()]
        if limits.get("statement_timeout"):
            # For a statement of many cheap parts, JIT compilation takes longer than the statement.
            values.append(("jit", "off"))
        with self.connection.cursor() as cursor:
            calls = ", ".join(["set_config(%s, %s, false)"] * len(values))
            cursor.execute(f"SELECT {calls}", [part for value in values for part in value])

    def is_usable(self) -> bool:
        """Whether the connection is usable. CONN_HEALTH_CHECKS costs most requests no round trip."""
        return self.connection is not None and self.connection.is_alive()


def _forget_pools() -> None:
    """A forked child must not use the connections of its parent."""
    DatabaseWrapper._pools.clear()


os.register_at_fork(after_in_child=_forget_pools)
