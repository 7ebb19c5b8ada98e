"""PgBouncer in front of the database of the tests: see benchmarks/pgbouncer.py.

With `DATABASE_POOLER=pgbouncer`, tests and the servers that they start reach the database through it.
"""

import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from django.conf import settings
from django.db import connection, connections
from pytest_django import DjangoDbBlocker

from benchmarks.pgbouncer import PGBOUNCER, configuration, started
from common.locks import AdvisoryLock
from common.postgres.account import Account, account_for
from tests.patience import PATIENCE
from tests.servers import direct_place, free_port, pooled_environment, url_of

IS_CHOSEN = os.environ.get("DATABASE_POOLER", "") == "pgbouncer"
needs_pgbouncer = pytest.mark.skipif(
    PGBOUNCER is None,
    reason="PgBouncer is missing. Debian has the package pgbouncer; PGBOUNCER may name another program.",
)

needs_own_session = pytest.mark.skipif(
    IS_CHOSEN, reason="Session settings need a direct connection. With DATABASE_POOLER it leads through PgBouncer."
)
# Tests hold transactions for longer than requests may.
WITHOUT_LIMITS = "SET jit = off"


def keeps_statements() -> bool:
    """Whether this version keeps prepared statements: 1.21 and newer ones."""
    shown = subprocess.run([str(PGBOUNCER), "--version"], check=True, capture_output=True, text=True).stdout
    found = re.search(r"PgBouncer (\d+)\.(\d+)", shown)
    assert found, shown
    return (int(found[1]), int(found[2])) >= (1, 21)


def _configuration(place: dict[str, Any], port: int, connect_query: str, changed: dict[str, str | None]) -> str:
    """The example with the address of the database of this test."""
    server = f"host={place['host']} port={place.get('port') or 5432} dbname={place['dbname']} user={place['user']}"
    if password := place.get("password"):
        server += f" password={password}"
    changes = {
        "listen_port": str(port),
        "auth_type": "any",  # the client is who the server address says
        "auth_file": None,
        "unix_socket_dir": "",
        "max_prepared_statements": "200" if keeps_statements() else None,
    }
    return configuration(place["dbname"], server, changes | changed, connect_query)


def _account(host: str) -> Account:
    """PgBouncer refuses to run as root. Only the account of an embedded server may enter the folder of its socket."""
    folder = Path(host)
    return account_for(folder if folder.is_absolute() else Path("/nonexistent"))


@contextmanager
def pgbouncer(*, connect_query: str = "", **changed: str | None) -> Iterator[int]:
    """Run it before the database of this test. Yields its port on the loopback interface."""
    place = direct_place()
    port = free_port()
    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "pgbouncer.ini").write_text(_configuration(place, port, connect_query, changed))
        process = started(folder, port, _account(str(place["host"])))
        try:
            yield port
        finally:
            process.terminate()
            process.wait(timeout=PATIENCE)


def environment_behind(port: int) -> dict[str, str]:
    """The environment of a server that reaches the database of this test through a pooler at this port."""
    direct = direct_place()
    return {
        "DATABASE_URL": url_of(direct | {"host": "127.0.0.1", "port": port}),
        "DATABASE_DIRECT_URL": url_of(direct),
        "DATABASE_PREPARED_STATEMENTS": str(keeps_statements()),
    }


def _skipped(*_: Any, **__: Any) -> Any:
    """In place of a lock of the session, for commands that a test runs in this process.

    Those that it starts as processes have DATABASE_DIRECT_URL, as in production.
    """
    pytest.skip("The command needs a direct connection. With DATABASE_POOLER it leads through PgBouncer.")


@contextmanager
def pooled_if_chosen(blocker: DjangoDbBlocker) -> Iterator[None]:
    """With DATABASE_POOLER, connections of this process and of those that it starts lead through the pooler."""
    if not IS_CHOSEN:
        yield
        return
    with blocker.unblock():
        connection.close()
    direct = connection.settings_dict
    with pgbouncer(connect_query=WITHOUT_LIMITS) as port, pytest.MonkeyPatch.context() as patch:
        pooled = direct | {
            "HOST": "127.0.0.1",
            "PORT": str(port),
            "EMBEDDED_DATA_DIR": None,
            "OPTIONS": settings.REQUEST_DATABASE["OPTIONS"] | {"prepare_threshold": 1 if keeps_statements() else None},
            "IS_TRANSACTION_POOLED": True,
        }
        patch.setattr(connections, "settings", connections.settings | {"default": pooled})
        patch.setattr(connections["default"], "settings_dict", pooled)
        patch.setitem(pooled_environment, "DATABASE_DIRECT_URL", url_of(direct_place()))
        patch.setattr(AdvisoryLock, "tried_by_session", _skipped)
        patch.setitem(pooled_environment, "DATABASE_PREPARED_STATEMENTS", str(keeps_statements()))
        yield
        with blocker.unblock():
            connection.close()
