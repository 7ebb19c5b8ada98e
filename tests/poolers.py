"""PgBouncer in transaction mode, as docs/connections.md configures it, in front of the database of the tests.

`PGBOUNCER` names another program than that of the package. With `DATABASE_POOLER=pgbouncer`, tests and the servers that
they start reach the database through it.
"""

import os
import re
import shutil
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

from common.postgres.account import Account, account_for
from tests.patience import PATIENCE
from tests.servers import direct_place, free_port, pooled_environment, url_of, wait_for_port

PGBOUNCER = os.environ.get("PGBOUNCER") or shutil.which("pgbouncer", path="/usr/sbin:/usr/bin:/usr/local/bin")
IS_CHOSEN = os.environ.get("DATABASE_POOLER", "") == "pgbouncer"
needs_pgbouncer = pytest.mark.skipif(PGBOUNCER is None, reason="needs pgbouncer, from the Debian package pgbouncer")

# Tests hold transactions for longer than requests may.
WITHOUT_LIMITS = "SET jit = off"


def example() -> str:
    page = (Path(settings.BASE_DIR) / "docs" / "connections.md").read_text()
    (found,) = re.findall(r"```ini\n(\[databases\].*?)```", page, re.DOTALL)
    return str(found)


def keeps_statements() -> bool:
    """Whether this version keeps prepared statements: 1.21 and newer ones."""
    shown = subprocess.run([str(PGBOUNCER), "--version"], check=True, capture_output=True, text=True).stdout
    found = re.search(r"PgBouncer (\d+)\.(\d+)", shown)
    assert found, shown
    return (int(found[1]), int(found[2])) >= (1, 21)


def _configured(place: dict[str, Any], port: int, **changed: str) -> str:
    """The example with the address of the test, and with settings of its second section replaced."""
    server = f"host={place['host']} port={place.get('port') or 5432} dbname={place['dbname']} user={place['user']}"
    if password := place.get("password"):
        server += f" password={password}"
    text = example()
    changed = {
        "listen_port": str(port),
        "auth_type": "any",  # the client is who the server address says
        "auth_file": "",
        "unix_socket_dir": "",
        "max_prepared_statements": "200" if keeps_statements() else "",
    } | changed
    for old in ("kumanda = ", "host=db.internal port=5432 dbname=kumanda"):
        assert text.count(old) == 1, old
    text = text.replace("kumanda = ", f"{place['dbname']} = ").replace(
        "host=db.internal port=5432 dbname=kumanda", server
    )
    if query := changed.pop("connect_query", ""):
        text = re.sub(r"connect_query='[^']*'", f"connect_query='{query}'", text)
    for name, value in changed.items():
        text = re.sub(rf"(?m)^;? ?{name} = .*\n", "", text)
        text += f"{name} = {value}\n" if value or name == "unix_socket_dir" else ""
    return text


def _account(host: str) -> Account:
    """PgBouncer refuses to run as root. Only the account of an embedded server may enter the folder of its socket."""
    folder = Path(host)
    return account_for(folder if folder.is_absolute() else Path("/nonexistent"))


@contextmanager
def pgbouncer(**changed: str) -> Iterator[int]:
    """Run it before the database of this test. Yields its port on the loopback interface."""
    place = direct_place()
    account = _account(str(place["host"]))
    port = free_port()
    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "pgbouncer.ini").write_text(_configured(place, port, **changed))
        account.own(folder)
        process = subprocess.Popen(
            [str(PGBOUNCER), "-q", str(folder / "pgbouncer.ini")],
            user=account.user,
            group=account.group,
            extra_groups=account.extra_groups,
            cwd=folder,
        )
        try:
            wait_for_port(port)
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
        patch.setitem(pooled_environment, "DATABASE_PREPARED_STATEMENTS", str(keeps_statements()))
        yield
        with blocker.unblock():
            connection.close()
