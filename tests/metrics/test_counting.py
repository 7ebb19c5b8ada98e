"""The counts of four server processes are those of their clients, also when one of them is killed in the middle."""

import os
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection, HTTPException
from itertools import islice
from pathlib import Path

import psutil
import pytest
from prometheus_client.multiprocess import MultiProcessCollector

from tests.conftest import make_user, token_of
from tests.load import PLENTY
from tests.metrics.scraping import measured_server, scraped, total
from tests.patience import PATIENCE, wait_until
from tests.server.logs import Logged
from tests.servers import Server
from tests.streams import make_stream, stream_url

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(600)]

REQUESTS = 10_000
CLIENTS = 10
KEPT = 25  # requests on one connection: new connections reach all processes
ROUTE = "/api/v1/live-stream/{id}"


def counted_by(file: Path) -> float:
    """The requests that the file of a process has counted."""
    metrics = MultiProcessCollector.merge([str(file)], accumulate=False)  # type: ignore[no-untyped-call]
    return sum(
        sample.value for metric in metrics for sample in metric.samples if sample.name == "kumanda_http_requests_total"
    )


class Clients:
    """Clients that send requests, nothing twice, and count the answers by status; `lost` are those without one."""

    def __init__(self, server: Server, path: str, token: str) -> None:
        self._server, self._path, self._token = server, path, token
        self._numbers = iter(range(REQUESTS))
        self._lock = threading.Lock()
        self.answers: Counter[int] = Counter()
        self.lost = 0

    @property
    def ended(self) -> int:
        return self.answers.total() + self.lost

    def run(self) -> None:
        with ThreadPoolExecutor(CLIENTS) as pool:
            for client in [pool.submit(self._send) for _ in range(CLIENTS)]:
                client.result()

    def _numbered(self) -> Iterator[int]:
        while True:
            with self._lock:
                number = next(self._numbers, None)
            if number is None:
                return
            yield number

    def _send(self) -> None:
        numbers = self._numbered()
        while kept := list(islice(numbers, KEPT)):
            self._send_on_one_connection(kept)

    def _send_on_one_connection(self, numbers: list[int]) -> None:
        connected = HTTPConnection("127.0.0.1", self._server.port, timeout=PATIENCE)
        for number in numbers:
            # One of ten finds nothing, and no two of these have the same address.
            path = self._path if number % 10 else f"/api/v1/live-stream/{number:024x}"
            try:
                connected.request("GET", path, headers={"Authorization": f"Bearer {self._token}"})
                response = connected.getresponse()
                response.read()
            except (OSError, HTTPException):
                connected.close()
                with self._lock:
                    self.lost += 1
            else:
                with self._lock:
                    self.answers[response.status] += 1
        connected.close()


def test_ten_thousand_requests_are_counted_when_a_process_is_killed_in_the_middle(tmp_path: Path) -> None:
    creator = make_user("creator")
    path, token = stream_url(make_stream(creator)), token_of(creator)
    with measured_server(workers=4, TMPDIR=str(tmp_path), **PLENTY) as (server, port):
        (folder,) = tmp_path.glob("metrics-of-server-*")
        assert server.process is not None
        before = {child.pid for child in psutil.Process(server.process.pid).children()}
        assert len(before) == 4
        threads = total(scraped(port), "request_threads_limit")

        clients = Clients(server, path, token)
        running = threading.Thread(target=clients.run)
        running.start()
        wait_until(lambda: clients.ended > REQUESTS // 3)
        killed = max(before, key=lambda pid: counted_by(folder / f"counter_{pid}.db"))
        assert counted_by(folder / f"counter_{killed}.db") > REQUESTS // 24
        os.kill(killed, signal.SIGKILL)
        running.join()

        # A gauge of the living processes: the new one has sampled it.
        wait_until(lambda: total(scraped(port), "request_threads_limit") == threads)
        samples = scraped(port)
        assert total(samples, "server_processes") == 4
        assert clients.ended == REQUESTS
        # One for each connection that the killed process had.
        assert clients.lost <= CLIENTS
        assert set(clients.answers) <= {200, 404, 503}
        assert clients.answers[200] > REQUESTS * 0.8
        for status, answers in clients.answers.items():
            counted = total(samples, "http_requests_total", route=ROUTE, method="GET", status=str(status))
            assert answers <= counted <= answers + clients.lost, status
        # Counted before they are sent: none of them is missing, and only those can be more that nobody got.
        counted = total(samples, "http_requests_total", route=ROUTE)
        assert clients.answers.total() <= counted <= REQUESTS
        # A killed process has counted a request, and perhaps not its time yet.
        timed = total(samples, "http_request_seconds_count", route=ROUTE)
        assert counted - CLIENTS <= timed <= counted
        assert total(samples, "http_request_seconds_bucket", route=ROUTE, le="+Inf") == timed
        assert total(samples, "server_process_deaths_total", reason="SIGKILL") == 1

        # What the killed process counted is kept without its files.
        assert list(folder.glob(f"*_{killed}.db")) == []
    assert list(tmp_path.iterdir()) == []


def test_counts_stay_when_the_processes_are_exchanged(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    logged = Logged(capfd)
    with measured_server(workers=2, TMPDIR=str(tmp_path)) as (server, port):
        (folder,) = tmp_path.glob("metrics-of-server-*")
        assert server.process is not None
        before = {child.pid for child in psutil.Process(server.process.pid).children()}
        for _ in range(20):
            assert server.call("GET", "/healthz").status == 200
        server.signal(signal.SIGHUP)
        logged.wait_for("reloaded")
        wait_until(lambda: not [pid for pid in before if list(folder.glob(f"*_{pid}.db"))])
        assert total(scraped(port), "http_requests_total", route="/healthz", status="200") == 20
        for _ in range(5):
            assert server.call("GET", "/healthz").status == 200
        samples = scraped(port)
        assert total(samples, "http_requests_total", route="/healthz", status="200") == 25
        assert total(samples, "server_process_deaths_total") == 0
