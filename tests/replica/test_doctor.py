"""What doctor reports about the replica, and the settings of it."""

import os
import signal
import subprocess
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.db import connections

from common.replica.doctor import examine
from tests.forking import manage
from tests.patience import PATIENCE
from tests.replica.pair import OWNER, Pair


def found() -> dict[str, str]:
    """The severities of the findings, by code."""
    return {finding.code: str(finding.severity) for finding in examine()}


def test_a_replica_that_follows_is_no_finding(on_pair: Pair) -> None:
    assert found() == {}


def test_without_a_replica_nothing_is_examined(settings: Any) -> None:
    settings.DATABASE_REPLICA_URL = ""
    assert found() == {}


def test_a_replica_that_is_gone_is_reported(on_pair: Pair) -> None:
    on_pair.replica.kill()
    assert found() == {"replica_unreachable": "warning"}


def test_a_replica_that_hangs_is_reported(on_pair: Pair) -> None:
    on_pair.replica.signal(signal.SIGSTOP)
    assert found() == {"replica_unreachable": "warning"}


def test_a_late_replica_is_reported(on_pair: Pair, settings: Any) -> None:
    settings.DATABASE_REPLICA_MAX_LAG_SECONDS = 2
    on_pair.pause()
    on_pair.primary.execute("SELECT pg_logical_emit_message(true, 'test', '')::text")
    assert found() == {"replica_late": "warning"}


def test_a_promoted_replica_is_reported(on_pair: Pair) -> None:
    on_pair.replica.promote()
    (finding,) = examine()
    assert finding.code == "replica_not_usable"
    assert "promoted" in finding.meaning


def test_another_database_of_the_replica_is_reported(on_pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    connections["replica"].close()
    monkeypatch.setitem(connections["replica"].settings_dict, "NAME", "postgres")
    on_pair.wait_for_replay()
    assert found() == {"replica_schema_differs": "error"}


def test_the_primary_as_its_own_replica_is_reported(on_pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    connections["replica"].close()
    monkeypatch.setitem(connections["replica"].settings_dict, "HOST", str(on_pair.primary.sockets))
    assert found() == {"replica_not_usable": "error"}


# --- settings -------------------------------------------------------------------------------------

BOUNDS = "DATABASE_REPLICA_MAX_LAG_SECONDS must be between 2 and 300, or 0"
DATABASE = f"postgresql://{OWNER}@nowhere/{OWNER}"


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"DATABASE_REPLICA_MAX_LAG_SECONDS": "1"}, BOUNDS),
        ({"DATABASE_REPLICA_MAX_LAG_SECONDS": "301"}, BOUNDS),
        ({"DATABASE_REPLICA_MAX_LAG_SECONDS": "soon"}, "DATABASE_REPLICA_MAX_LAG_SECONDS is invalid"),
        ({"DATABASE_REPLICA_URL": DATABASE, "DATABASE_URL": ""}, "DATABASE_REPLICA_URL needs DATABASE_URL"),
        ({"DATABASE_REPLICA_URL": "mysql://a@b/c"}, "DATABASE_REPLICA_URL must be an address"),
        (
            {"DATABASE_REPLICA_URL": f"postgresql://{OWNER}@one,two/{OWNER}"},
            "DATABASE_REPLICA_URL must name one server",
        ),
    ],
)
def test_an_invalid_setting_ends_the_process(variables: dict[str, str], message: str) -> None:
    ended = subprocess.run(
        manage("check"),
        cwd=django_settings.BASE_DIR,
        env=os.environ | {"DATABASE_URL": DATABASE} | variables,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    assert ended.returncode != 0
    assert message in ended.stderr
