"""A replica that is cut, hangs, lags or is promoted: calls are answered from the primary, and it is left out."""

import signal
import threading
import time
from typing import Any

import pytest
from django.db import OperationalError, connection, connections, transaction

from common.replica import checks, last_writes, reading
from common.replica.checks import CHECKER, REPLICA, Checker, NotAReplica, identity_of, refuse_other_server
from common.replica.reading import from_either
from common.replica.state import STATE
from tests.conftest import client_of
from tests.envelope import data_of
from tests.patience import wait_until
from tests.replica.pair import Pair
from tests.replica.standing import checked, person
from tests.streams import STREAMS, make_stream


def answered(client: Any) -> None:
    """Ask for a list, which must succeed."""
    data_of(client.get(STREAMS))


def problem() -> str:
    return STATE.report().problem or ""


def test_a_killed_replica_is_left_out_and_taken_back(on_pair: Pair, replica_reads: list[str]) -> None:
    client = client_of(person())
    checked()
    answered(client)
    assert len(replica_reads) == 1
    on_pair.replica.kill()

    answered(client)
    assert problem().startswith("a statement failed")
    CHECKER.check()
    assert problem().startswith("it does not answer")
    on_pair.replica.start()
    checked()
    answered(client)
    assert len(replica_reads) == 2


def test_a_replica_that_hangs_is_left_out_after_one_call(on_pair: Pair, replica_reads: list[str]) -> None:
    client = client_of(person())
    checked()
    answered(client)
    on_pair.replica.signal(signal.SIGSTOP)

    answered(client)
    assert problem().startswith("a statement failed")
    answered(client)
    CHECKER.check()
    assert problem().startswith("it does not answer")
    on_pair.replica.signal(signal.SIGCONT)
    checked()
    answered(client)
    assert len(replica_reads) == 2


def test_a_replica_that_answers_no_new_connection_is_left_out_after_one_call(on_pair: Pair) -> None:
    client = client_of(person())
    checked()
    connections[REPLICA].close()
    on_pair.replica.signal(signal.SIGSTOP)

    answered(client)
    assert problem().startswith("a statement failed")
    answered(client)


def test_a_replica_that_is_late_is_left_out_and_taken_back(
    on_pair: Pair, settings: Any, replica_reads: list[str]
) -> None:
    settings.DATABASE_REPLICA_MAX_LAG_SECONDS = 2
    client = client_of(person())
    checked()
    on_pair.pause()
    make_stream(person())

    def is_late() -> bool:
        CHECKER.check()
        time.sleep(0.1)
        return problem() == "it is late"

    wait_until(is_late)
    answered(client)
    assert replica_reads == []
    assert (STATE.report().lag or 0) > 2
    on_pair.replay()
    checked()
    answered(client)
    assert len(replica_reads) == 1


def test_a_promoted_replica_is_not_read_any_more(on_pair: Pair, replica_reads: list[str]) -> None:
    client = client_of(person())
    checked()
    on_pair.replica.promote()
    CHECKER.check()

    assert problem().startswith("it is not a replica any more")
    answered(client)
    assert replica_reads == []
    with pytest.raises(NotAReplica, match="timeline"):
        refuse_other_server(identity_of(connection), identity_of(connections[REPLICA]))


def test_a_replica_of_another_server_is_not_read(on_pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    checked()
    real = checks.identity_of
    monkeypatch.setattr(
        checks, "identity_of", lambda server: real(server)._replace(system=1) if server is connection else real(server)
    )
    CHECKER.check()
    assert "another server" in problem()
    assert not STATE.holds(0)


def test_a_statement_that_the_replay_cancels_is_repeated_on_the_primary(
    on_pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The primary locks a table exclusively, which a statement on the replica reads: a real conflict."""
    on_pair.primary.execute("CREATE TABLE IF NOT EXISTS conflicts AS SELECT 1 AS one")
    on_pair.wait_for_replay()
    checked()
    from_primary: list[str] = []

    def fetched(sql: str, values: Any) -> Any:
        from_primary.append(sql)
        return [(2,)]

    truncated = threading.Timer(0.2, on_pair.primary.execute, ["TRUNCATE conflicts"])
    with reading.reading(0):
        truncated.start()
        rows = from_either("SELECT one, pg_sleep(0.9) FROM conflicts", [], fetched)
        assert not reading.was_replica_read()
    truncated.join()

    assert rows == [(2,)]
    assert len(from_primary) == 1
    assert STATE.holds(0)


def test_a_statement_that_takes_too_long_is_repeated_on_the_primary(on_pair: Pair) -> None:
    checked()
    with reading.reading(0):
        assert from_either("SELECT pg_sleep(5)", [], lambda sql, values: [("primary",)]) == [("primary",)]
    assert STATE.holds(0)


def test_a_table_that_the_replica_does_not_have_yet_is_read_on_the_primary(on_pair: Pair) -> None:
    """A migration that it has not replayed."""
    checked()
    on_pair.pause()
    on_pair.primary.execute("CREATE TABLE IF NOT EXISTS newer AS SELECT 7 AS seven")

    def from_primary(sql: str, values: Any) -> Any:
        with connection.cursor() as cursor:
            cursor.execute(sql, values)
            return cursor.fetchall()

    with reading.reading(0):
        assert from_either("SELECT seven FROM newer", [], from_primary) == [(7,)]
    assert STATE.holds(0)
    on_pair.primary.execute("DROP TABLE newer")


def test_errors_of_the_primary_are_raised(on_pair: Pair) -> None:
    checked()

    def from_primary(sql: str, values: Any) -> Any:
        raise OperationalError("the primary")

    with reading.reading(0), pytest.raises(OperationalError, match="the primary"):
        from_either("SELECT 1 / 0", [], from_primary)


def test_inside_a_change_the_primary_is_read(on_pair: Pair) -> None:
    checked()
    with reading.reading(0), transaction.atomic():
        assert from_either("SELECT 'replica'", [], lambda sql, values: [("primary",)]) == [("primary",)]


def test_the_thread_checks_by_itself_and_survives_errors(
    on_pair: Pair, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    checker = Checker()
    failing = True
    position = last_writes.position_of_primary

    def fails_once() -> int:
        nonlocal failing
        if failing:
            failing = False
            raise ValueError("once")
        return position()

    monkeypatch.setattr("common.replica.checks.position_of_primary", fails_once)
    try:
        checker.start()
        wait_until(lambda: STATE.holds(0))
    finally:
        checker.stop()
    assert "it cannot be checked: once" in caplog.text
    assert not STATE.holds(0)


def test_the_first_read_of_a_caller_starts_the_checks_although_no_position_is_known(
    on_pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_pair.primary.execute("TRUNCATE common_lastwrite")
    started: list[bool] = []
    monkeypatch.setattr(CHECKER, "start", lambda: started.append(True))

    answered(client_of(person()))
    assert started
    checked()
    assert on_pair.primary.execute("SELECT count(*) FROM common_lastwrite") == 1


def test_rows_of_a_dump_of_another_server_are_removed(on_pair: Pair) -> None:
    beyond = 2**62
    on_pair.primary.execute("UPDATE common_lastwrite SET lsn = %s", beyond)
    on_pair.primary.execute(
        "INSERT INTO common_lastwrite VALUES (%s, %s, now()) ON CONFLICT (caller) DO UPDATE SET lsn = excluded.lsn",
        bytes.fromhex(last_writes.ALL),
        beyond,
    )
    last_writes.position_of_primary()
    assert on_pair.primary.execute("SELECT max(lsn) FROM common_lastwrite") < beyond
    on_pair.wait_for_replay()
    checked()
    assert STATE.holds(on_pair.primary.execute("SELECT max(lsn) FROM common_lastwrite"))


def test_old_rows_are_deleted_but_the_one_for_all(on_pair: Pair) -> None:
    checked()
    user = person()
    last_writes.note_write(user.pk)
    last_writes.delete_expired()
    assert on_pair.primary.execute("SELECT count(*) FROM common_lastwrite") >= 2
    on_pair.primary.execute("UPDATE common_lastwrite SET written_at = now() - interval '2 hours'")
    last_writes.delete_expired()
    assert on_pair.primary.execute("SELECT count(*) FROM common_lastwrite") == 1
