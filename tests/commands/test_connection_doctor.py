"""manage.py doctor: the number of connections, and poolers."""

import os

import pytest
from django.conf import settings

from common.connection_doctor import connections_of_server, connections_of_worker
from tests.commands.conftest import Run
from tests.commands.test_doctor import found_by
from tests.poolers import environment_behind, keeps_statements, needs_pgbouncer, pgbouncer
from tests.servers import direct_place, url_of


def test_more_connections_than_the_database_allows_are_reported(run: Run) -> None:
    found = found_by(run, DATABASE_POOL_SIZE="100")
    assert set(found) == {"connections_scarce"}
    assert "max_connections" in found["connections_scarce"]["remedy"]


@pytest.mark.parametrize(("is_pooled", "of_server"), [(False, 4 * 7), (True, 4)])
def test_the_numbers_are_those_of_the_page(is_pooled: bool, of_server: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    monkeypatch.setattr(settings, "IS_TRANSACTION_POOLED", is_pooled)
    assert connections_of_server() == of_server
    assert connections_of_worker() == 16


@needs_pgbouncer
def test_a_pooler_as_the_page_configures_it_is_in_order(run: Run) -> None:
    with pgbouncer() as port:
        assert found_by(run, **environment_behind(port)) == {}


@needs_pgbouncer
def test_a_pooler_without_a_direct_address_is_reported(run: Run) -> None:
    with pgbouncer() as port:
        address = environment_behind(port)["DATABASE_URL"]
        off = {"DATABASE_PREPARED_STATEMENTS": "false"}
        assert set(found_by(run, DATABASE_URL=address, DATABASE_DIRECT_URL="", **off)) == {"pooler_without_direct_url"}
        other = address.replace("127.0.0.1", "localhost")
        found = found_by(run, DATABASE_URL=address, DATABASE_DIRECT_URL=other, **off)
        assert set(found) == {"direct_url_is_pooled"}


@needs_pgbouncer
def test_a_pooler_that_loses_prepared_statements_is_reported(run: Run) -> None:
    with pgbouncer(max_prepared_statements="0" if keeps_statements() else None) as port:
        found = found_by(run, **environment_behind(port) | {"DATABASE_PREPARED_STATEMENTS": "true"})
    assert set(found) == {"pooler_loses_statements"}
    assert "DATABASE_PREPARED_STATEMENTS=false" in found["pooler_loses_statements"]["remedy"]


@needs_pgbouncer
def test_a_pooler_without_time_limits_is_reported_with_those_that_it_should_have(run: Run) -> None:
    with pgbouncer(connect_query="SELECT 1") as port:
        found = found_by(run, **environment_behind(port))
    assert set(found) == {"pooler_without_limits"}
    assert (
        "connect_query='SET statement_timeout = 3000; SET lock_timeout = 2000;"
        in found["pooler_without_limits"]["remedy"]
    )


@needs_pgbouncer
def test_a_pooler_that_does_not_answer_is_reported(run: Run, transactional_db: None) -> None:
    place = direct_place()
    nowhere = url_of(place | {"host": "127.0.0.1", "port": 9})
    found = found_by(run, DATABASE_URL=nowhere, DATABASE_DIRECT_URL=url_of(place))
    assert set(found) == {"pooler_unreachable"}
