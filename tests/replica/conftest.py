"""A primary and a replica that this process uses instead of the database of the tests."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.db import connections
from pytest_django import DjangoDbBlocker

from common.postgres.base import DatabaseWrapper
from common.replica import reading
from common.replica.checks import CHECKER, REPLICA
from common.replica.state import STATE
from config.replica import with_replica
from tests.forking import manage
from tests.patience import PATIENCE
from tests.replica.pair import Pair, running_pair


@pytest.fixture(scope="session")
def made_pair() -> Iterator[Pair]:
    with running_pair() as pair:
        subprocess.run(
            manage("migrate", "--verbosity=0"),
            cwd=django_settings.BASE_DIR,
            env=os.environ | {"DATABASE_URL": pair.primary.url},
            check=True,
            timeout=PATIENCE,
        )
        pair.copy()
        yield pair


@pytest.fixture
def pair(made_pair: Pair) -> Iterator[Pair]:
    """Both servers run, and the replica has replayed everything."""
    made_pair.heal()
    yield made_pair
    made_pair.heal()


@pytest.fixture
def on_pair(pair: Pair, settings: Any, django_db_blocker: DjangoDbBlocker) -> Iterator[Pair]:
    """All threads of this process use the pair. The replica is checked only when a test does it."""
    settings.DATABASE_REPLICA_URL = pair.replica.url
    settings.DATABASE_REPLICA_MAX_LAG_SECONDS = 300
    with django_db_blocker.unblock(), _connected(pair), pytest.MonkeyPatch.context() as patch:
        patch.setattr(CHECKER, "start", lambda: None)
        yield pair
        reading.end_reading()
        STATE.forget("the test is over")


@contextmanager
def _connected(pair: Pair) -> Iterator[None]:
    saved, held = dict(connections.settings), connections["default"]
    primary = connections.settings["default"] | pair.primary.settings
    primary.pop("EMBEDDED_DATA_DIR", None)
    primary["OPTIONS"] = {name: value for name, value in primary["OPTIONS"].items() if name != "options"}
    connections.settings.update(connections.configure_settings(with_replica({"default": primary}, pair.replica.url)))
    connections["default"] = connections.create_connection("default")
    try:
        yield
    finally:
        connections.close_all()
        DatabaseWrapper._pools.pop(REPLICA, None)
        connections.settings.clear()
        connections.settings.update(saved)
        connections["default"] = held
        if REPLICA in {each.alias for each in connections.all(initialized_only=True)}:
            del connections[REPLICA]


@pytest.fixture
def replica_reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The statements that ran on the replica without an error."""
    statements: list[str] = []
    fetch = reading.fetched_from_replica

    def recorded(sql: str, values: Any) -> Any:
        found = fetch(sql, values)
        statements.append(sql)
        return found

    monkeypatch.setattr(reading, "fetched_from_replica", recorded)
    return statements
