"""The access log of a running server: a line for each request, and what it says."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from common.addresses import hashed
from tests.conftest import make_user, token_of
from tests.server.logs import LogFile
from tests.servers import Server, running_server

ME = "/api/v1/users/me"
UPCOMING = "/api/v1/live-stream/upcoming"
FIELDS = [
    "event",
    "request_id",
    "address",
    "user_id",
    "method",
    "route",
    "status",
    "code",
    "duration_ms",
    "level",
    "logger",
    "timestamp",
]
# The proxies of the server: the test itself.
PROXIED = {"TRUSTED_PROXIES": "127.0.0.1,192.0.2.0/24"}


class Logging:
    """A server and its log."""

    def __init__(self, server: Server, log: LogFile) -> None:
        self.server, self.log = server, log
        self._calls = 0

    def line(self, method: str, path: str, **given: Any) -> dict[str, Any]:
        """Send a request, and return the line about it."""
        self._calls += 1
        request_id = f"call-{self._calls}"
        self.server.call(method, path, X_Request_ID=request_id, **given)
        return self.log.of_request(request_id)


@pytest.fixture(scope="module")
def logging(database_of_tests: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Logging]:
    log = tmp_path_factory.mktemp("log") / "log"
    with running_server(workers=1, database=database_of_tests, log=str(log), **PROXIED) as server:
        yield Logging(server, LogFile(log))


@pytest.fixture
def viewer(transactional_db: None) -> User:
    return make_user("viewer")


def facts(line: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(line[name] for name in ("method", "route", "status", "code", "user_id"))


def test_a_line_names_the_request_its_client_its_user_its_route_and_its_answer(logging: Logging, viewer: User) -> None:
    line = logging.line("GET", f"{UPCOMING}?limit=1", token=token_of(viewer))
    assert list(line) == FIELDS
    assert facts(line) == ("GET", UPCOMING, 200, None, viewer.pk)
    assert (line["request_id"], line["address"], line["logger"]) == ("call-1", "127.0.0.1", "access")
    assert 0 < line["duration_ms"] < 240_000


def test_a_request_without_an_id_has_that_of_its_answer(logging: Logging, viewer: User) -> None:
    for path in (ME, "/media/nothing"):
        answer = logging.server.call("GET", path)
        assert logging.log.of_request(answer.headers["x-request-id"])["status"] == answer.status


ROUTES = {
    "/api/v1/live-stream/673ac9e2c93fe18d3fdd23f1": ("/api/v1/live-stream/{id}", 404, "stream_not_found"),
    "/api/v1/live-stream/s3cret": ("/api/v1/live-stream/{id}", 400, "validation_failed"),
    "/api/v1/nothing/s3cret": ("/api/", 404, "not_found"),
    "/nothing/s3cret": ("unmatched", 404, "not_found"),
    "/calendar/s3cret.ics": ("/calendar/{secret}.ics", 404, "calendar_address_not_found"),
    "/unsubscribe/s3cret": ("/unsubscribe/{token}", 404, None),
    "/media/s3cret.webp": ("/media/{name}", 404, "not_found"),
    "/static/s3cret.css": ("/static/{path}", 404, "not_found"),
    "/static/common/admin/admin.css": ("/static/{path}", 200, None),
    "/admin/login/": ("/admin/login/", 200, None),
    f"/{'x' * 9000}": ("unmatched", 414, "uri_too_long"),
}


@pytest.mark.parametrize("path", ROUTES)
def test_the_route_is_the_template_and_never_the_path(logging: Logging, viewer: User, path: str) -> None:
    route, status, code = ROUTES[path]
    line = logging.line("GET", path, token=token_of(viewer))
    assert (line["route"], line["status"]) == (route, status)
    assert line["code"] == code
    assert "s3cret" not in json.dumps(line)


def test_an_error_has_its_code(logging: Logging, viewer: User) -> None:
    assert facts(logging.line("GET", ME)) == ("GET", ME, 401, "authentication_required", None)
    assert facts(logging.line("PUT", ME, token=token_of(viewer))) == ("PUT", ME, 405, "method_not_allowed", viewer.pk)


def test_a_method_that_http_does_not_know_is_not_written(logging: Logging, viewer: User) -> None:
    assert facts(logging.line("S3CRET", ME))[:3] == ("other", ME, 401)


def test_a_request_of_the_admin_names_its_user(logging: Logging, viewer: User) -> None:
    moderator = make_user("moderator", is_staff=True)
    client = Client()
    client.force_login(moderator)
    line = logging.line("GET", "/admin/", Cookie=f"sessionid={client.cookies['sessionid'].value}")
    assert facts(line) == ("GET", "/admin/", 200, None, moderator.pk)


def test_the_address_is_that_of_the_client_behind_trusted_proxies(logging: Logging, viewer: User) -> None:
    forwarded = "203.0.113.9, 198.51.100.4, 192.0.2.8"
    assert logging.line("GET", ME, X_Forwarded_For=forwarded)["address"] == "198.51.100.4"


def test_a_client_that_leaves_before_its_answer_has_a_line(logging: Logging, viewer: User) -> None:
    with socket.create_connection(("127.0.0.1", logging.server.port)) as connected:
        head = f"POST {ME} HTTP/1.1\r\nHost: localhost\r\nX-Request-ID: left\r\nContent-Length: 100\r\n\r\n"
        connected.sendall(head.encode() + b"{")
    line = logging.log.of_request("left")
    assert (line["status"], line["code"], line["route"]) == (499, None, "unmatched")


def test_health_checks_are_left_out(logging: Logging, viewer: User) -> None:
    for path in ("/healthz", "/readyz"):
        assert logging.server.call("GET", path, X_Request_ID="health").status == 200
    logging.line("GET", ME)  # written after those would have been
    assert "health" not in logging.log.text


@pytest.fixture
def log(tmp_path: Path) -> LogFile:
    return LogFile(tmp_path / "log")


def test_health_checks_are_logged_if_that_is_set_and_addresses_are_hashed(viewer: User, log: LogFile) -> None:
    chosen = {"ACCESS_LOG_HEALTH": "true", "LOG_CLIENT_ADDRESS": "hashed"}
    with running_server(workers=1, log=str(log.path), **chosen) as server:
        for path in ("/healthz", "/readyz"):
            server.call("GET", path, X_Request_ID=path[1:])
            line = log.of_request(path[1:])
            assert (line["route"], line["status"]) == (path, 200)
            assert line["address"] == hashed("127.0.0.1")
    assert '"127.0.0.1"' not in log.text


def test_with_a_sample_of_none_only_errors_are_logged(viewer: User, log: LogFile) -> None:
    chosen = {"ACCESS_LOG_SAMPLE": "0", "LOG_CLIENT_ADDRESS": "none", "LOG_LEVEL": "ERROR"}
    with running_server(workers=1, log=str(log.path), **chosen) as server:
        for _ in range(5):
            assert server.call("GET", UPCOMING).status == 200
        server.call("GET", ME, X_Request_ID="refused")
        line = log.of_request("refused")
    assert (line["status"], line["address"]) == (401, "")
    assert log.lines("request") == [line]


def test_it_can_be_switched_off(viewer: User, log: LogFile) -> None:
    with running_server(workers=1, log=str(log.path), ACCESS_LOG="false") as server:
        assert server.call("GET", ME).status == 401
    assert log.lines("request") == []
