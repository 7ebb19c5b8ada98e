"""The port of metrics: who gets an answer, and what disturbs it."""

import socket
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from ipaddress import ip_address

import pytest
from django.core.exceptions import ImproperlyConfigured
from prometheus_client import CollectorRegistry
from prometheus_client import Counter as Made

from common.metrics import exporter
from common.metrics.addresses import Address
from common.metrics.exporter import Exporter
from config.metrics import checked_address
from tests.patience import PATIENCE
from tests.servers import free_port

TOKEN = "operations-token-of-these-tests-32"

type Show = Callable[..., int]


@pytest.fixture
def show() -> Iterator[Show]:
    """Shows a metric, and returns the port."""
    started: list[Exporter] = []

    def shown(token: str = "", host: str = "127.0.0.1", port: int = 0) -> int:
        registry = CollectorRegistry()
        Made("things", "Things", registry=registry).inc()
        made = Exporter(registry, token=token)
        started.append(made)
        port = port or free_port()
        made.start(Address(host, port))
        return port

    yield shown
    for each in started:
        each.stop()


def status_of(port: int, path: str = "/metrics", method: str = "GET", **headers: str) -> int:
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", method=method, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE) as response:
            assert b"things_total 1.0" in response.read()
            assert response.headers["Content-Type"].startswith("text/plain")
            return int(response.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def test_only_a_get_of_metrics_is_answered(show: Show) -> None:
    port = show()
    assert status_of(port) == 200
    assert status_of(port, "/") == 404
    assert status_of(port, "/metrics/") == 404
    assert status_of(port, method="POST") == 405


def test_with_a_token_only_those_who_send_it_are_answered(show: Show) -> None:
    port = show(TOKEN)
    assert status_of(port) == 401
    assert status_of(port, Authorization="Bearer another-token-of-these-tests-32xx") == 401
    assert status_of(port, Authorization=f"Basic {TOKEN}") == 401
    assert status_of(port, Authorization=f"Bearer {TOKEN}") == 200
    assert status_of(port, Authorization=f"bearer {TOKEN}") == 200


def fail_at_once(_registry: CollectorRegistry) -> None:
    raise KeyError("an error of the program")


def test_a_scrape_that_fails_is_logged_and_the_next_one_is_answered(
    show: Show, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    port = show()
    with monkeypatch.context() as broken:
        broken.setattr(CollectorRegistry, "collect", fail_at_once)
        assert status_of(port) == 500
    assert "metrics could not be collected" in caplog.text
    assert not any(line.startswith("Traceback") for line in capfd.readouterr().err.splitlines())
    assert status_of(port) == 200


def test_a_taken_port_is_logged_and_the_process_goes_on(show: Show, caplog: pytest.LogCaptureFixture) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        show(port=port)
    assert f"metrics are not served on 127.0.0.1:{port}" in caplog.text


def test_clients_that_send_nothing_keep_nobody_waiting_and_are_left(
    show: Show, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporter._Handler, "timeout", 0.5)
    port = show()
    silent = [socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) for _ in range(5)]
    assert status_of(port) == 200
    for each in silent:
        assert each.recv(1) == b"", "the server closes the connection"
        each.close()


@pytest.mark.parametrize(
    ("written", "host", "port"),
    [
        ("9464", "127.0.0.1", 9464),
        (" 127.0.0.1:9464 ", "127.0.0.1", 9464),
        ("10.0.0.5:9464", "10.0.0.5", 9464),
        ("[::1]:9464", "::1", 9464),
    ],
)
def test_addresses(written: str, host: str, port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPERATIONS_TOKEN", TOKEN)
    address = checked_address("METRICS_SERVE_ADDRESS", written)
    assert address == (host, port)
    assert Address.read(str(address)) == address
    assert address is not None
    assert address.is_loopback == ip_address(host).is_loopback


@pytest.mark.parametrize(
    "written", ["x", "0", "65536", "-1", "localhost:9464", "127.0.0.1:", ":9464", "٣", "1.2.3:9464"]
)
def test_wrong_addresses_are_refused(written: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="METRICS_SERVE_ADDRESS must be a port or address:port"):
        checked_address("METRICS_SERVE_ADDRESS", written)


@pytest.mark.parametrize("written", ["0.0.0.0:9464", "10.0.0.5:9464", "[::]:9464"])
def test_an_address_that_other_machines_reach_needs_a_token(written: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPERATIONS_TOKEN", "")
    with pytest.raises(ImproperlyConfigured, match="set OPERATIONS_TOKEN too"):
        checked_address("METRICS_WORKER_ADDRESS", written)


def test_without_an_address_metrics_are_off() -> None:
    assert checked_address("METRICS_SERVE_ADDRESS", "") is None
