"""Values of the database in metrics: read seldom, in little time, and left out when they cannot be read."""

import threading
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, connections
from django.utils import timezone

from accounts.models import User
from common.metrics import stored
from common.metrics.readings import Reading
from common.metrics.stored import StoredValues
from edges import metrics as of_streams
from tests.metrics.scraping import measured_server, names, scraped, total
from tests.patience import PATIENCE, wait_until
from tests.server.private import private_server
from tests.servers import free_port, lost_database
from tests.streams import make_stream

pytestmark = pytest.mark.django_db(transaction=True)

CALLS: list[datetime] = []


def count_calls(now: datetime) -> Iterator[Reading]:
    CALLS.append(now)
    yield Reading("calls", "Calls", len(CALLS))


def take_long(now: datetime) -> Iterator[Reading]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(60)")
    yield Reading("never", "Never", 1)


def fail(now: datetime) -> Iterator[Reading]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM no_table")
    yield Reading("never", "Never", 1)


@pytest.fixture(autouse=True)
def _calls(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """None yet, and time enough for them on a busy machine."""
    CALLS.clear()
    monkeypatch.setattr(stored, "TIME_LIMITS", stored.TIME_LIMITS | {"statement_timeout": 5.0})
    monkeypatch.setattr(stored, "WAIT_SECONDS", PATIENCE)
    monkeypatch.setattr(stored, "KEPT_SECONDS", PATIENCE)
    settings.METRICS_READINGS = {"calls": f"{__name__}.count_calls"}


def values_of(collector: StoredValues) -> dict[tuple[str, ...], float]:
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in collector.collect()
        for sample in family.samples
    }


def test_values_are_kept_for_some_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    collector = StoredValues("my")
    assert values_of(collector) == {("my_calls",): 1, ("my_readings_ok", "calls"): 1}
    assert abs(CALLS[0] - timezone.now()).total_seconds() < 60
    for _ in range(5):
        values_of(collector)
    assert len(CALLS) == 1
    monkeypatch.setattr(stored, "KEPT_SECONDS", 0.0)
    collector._valid_until = 0.0
    assert values_of(collector)["my_calls",] == 2
    assert values_of(collector)["my_calls",] == 3


def raise_later(now: datetime) -> Iterator[Reading]:
    yield Reading("never", "Never", 1)
    raise KeyError("an error of the program")


@pytest.mark.parametrize("broken", ["take_long", "fail", "raise_later"])
def test_a_part_that_cannot_be_read_is_left_out(broken: str, settings: Any) -> None:
    settings.METRICS_READINGS = {"broken": f"{__name__}.{broken}"} | settings.METRICS_READINGS
    assert values_of(StoredValues("my")) == {
        ("my_calls",): 1,
        ("my_readings_ok", "broken"): 0,
        ("my_readings_ok", "calls"): 1,
    }


def test_a_slow_reading_is_not_waited_for_and_not_begun_twice(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    ended = threading.Event()
    begun: list[StoredValues] = []

    def wait(self: StoredValues) -> list[Any]:
        begun.append(self)
        ended.wait()
        return []

    monkeypatch.setattr(stored, "WAIT_SECONDS", 0.05)
    monkeypatch.setattr(StoredValues, "_read", wait)
    collector = StoredValues("my")
    for _ in range(3):
        assert values_of(collector) == {("my_readings_ok", "calls"): 0}
    assert len(begun) == 1
    ended.set()
    wait_until(lambda: values_of(collector) == {})
    assert len(begun) == 1


def fail_at_once() -> None:
    raise KeyError("an error of the program")


def test_after_an_error_of_the_program_the_next_reading_is_shown(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    collector = StoredValues("my")
    monkeypatch.setattr(stored, "KEPT_SECONDS", 0.0)
    with monkeypatch.context() as broken:
        broken.setattr("common.clock.database_time", fail_at_once)
        assert values_of(collector) == {("my_readings_ok", "calls"): 0}
    assert "KeyError" in caplog.text
    assert values_of(collector) == {("my_calls",): 1, ("my_readings_ok", "calls"): 1}


def test_the_connection_is_closed_after_each_reading() -> None:
    collector = StoredValues("my")
    values_of(collector)
    after = collector._pool.submit(lambda: connections["default"].connection).result()
    assert after is None


def test_without_the_database_the_processes_are_shown_and_afterwards_all_is_there_again() -> None:
    with measured_server(workers=1) as (server, port):
        wait_until(lambda: total(scraped(port), "readings_ok") == 4)
        with lost_database():
            assert server.call("GET", "/api/v1/live-stream/featured").status == 503
            wait_until(lambda: total(scraped(port), "readings_ok") == 0)
            samples = scraped(port)
            assert total(samples, "http_requests_total", status="503") >= 1
            assert total(samples, "server_processes") == 1
            assert "kumanda_jobs" not in names(samples)
            assert total(samples, "database_pool_failures_total", pool="default", reason="connect") >= 1
        wait_until(lambda: total(scraped(port), "readings_ok") == 4)
        assert "kumanda_jobs" in names(scraped(port))


def test_while_the_database_is_stopped_the_processes_are_shown(tmp_path: Path) -> None:
    port = free_port()
    with private_server(tmp_path, workers=1, METRICS_SERVE_ADDRESS=str(port)) as private:
        wait_until(lambda: total(scraped(port), "readings_ok") == 4)
        with private.stopped_database():
            wait_until(lambda: total(scraped(port), "readings_ok") == 0)
            assert total(scraped(port), "server_processes") == 1
        wait_until(lambda: total(scraped(port), "readings_ok") == 4)


def test_active_streams_and_their_viewers_are_counted(creator: User) -> None:
    make_stream(creator, "active")
    found = {reading.name: reading.value for reading in of_streams.read(timezone.now())}
    assert found == {"live_streams": 1, "viewers": 0}
