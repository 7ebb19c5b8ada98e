"""Requests before Django gets them: request lines, headers, paths, and uploaded files."""

import json
import socket
from collections.abc import Iterator

import pytest

from tests.conftest import make_user
from tests.patience import PATIENCE
from tests.servers import Server, running_server
from tests.test_project import ROOT

ENVELOPE = ["isSuccess", "statusCode", "data", "errors", "timestamp"]


@pytest.fixture(autouse=True)
def _viewer(transactional_db: None) -> None:
    make_user("viewer")


@pytest.fixture(scope="module")
def server(database_of_tests: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    tmp_path = tmp_path_factory.mktemp("data")
    (tmp_path / "media" / "photos").mkdir(parents=True)
    (tmp_path / "media" / "photos" / "one.webp").write_bytes(b"a picture")
    (tmp_path / "media" / "photos" / "page.html").write_bytes(b"<script>alert(1)</script>")
    (tmp_path / "media" / ".hidden").write_bytes(b"hidden")
    (tmp_path / "media" / "link").symlink_to(ROOT / "manage.py")
    (tmp_path / "secret").write_bytes(b"secret")
    with running_server(workers=1, database=database_of_tests, KUMANDA_DATA=str(tmp_path)) as running:
        yield running


class Raw:
    """One request as bytes, on a connection of its own."""

    def __init__(self, server: Server, target: str, *headers: str, method: str = "GET", body: str = "") -> None:
        lines = [f"{method} {target} HTTP/1.1", "Host: localhost", "Connection: close", *headers]
        with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE) as connected:
            connected.sendall("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body.encode())
            received = b""
            while piece := connected.recv(65_536):
                received += piece
        top, _, self.body = received.partition(b"\r\n\r\n")
        line, *named = top.decode("latin-1").split("\r\n")
        self.status = int(line.split()[1])
        self.headers = dict(header.lower().split(": ", 1) for header in named)


def assert_refused(answer: Raw, status: int, code: str) -> None:
    assert (answer.status, answer.headers["x-error-code"]) == (status, code), answer.body
    assert list(json.loads(answer.body)) == ENVELOPE
    assert answer.headers["x-request-id"]


def test_a_304_and_the_answer_to_head_have_no_body(server: Server) -> None:
    upcoming = "/api/v1/live-stream/upcoming"
    got = Raw(server, upcoming)
    known = f"If-None-Match: {got.headers['etag']}"

    unchanged, head = Raw(server, upcoming, known), Raw(server, upcoming, method="HEAD")
    assert (unchanged.status, unchanged.body) == (304, b"")
    assert "content-type" not in unchanged.headers
    assert unchanged.headers.get("content-length", "0") == "0"
    assert (head.status, head.body, head.headers["etag"]) == (200, b"", got.headers["etag"])
    assert Raw(server, upcoming, known, method="HEAD").status == 304
    assert got.headers["vary"] == unchanged.headers["vary"]


def test_too_long_urls_and_headers_are_refused_in_the_envelope(server: Server) -> None:
    upcoming = "/api/v1/live-stream/upcoming"

    assert_refused(Raw(server, f"{upcoming}?x={'a' * 10_000}"), 414, "uri_too_long")
    assert_refused(Raw(server, f"/{'a' * 10_000}"), 414, "uri_too_long")
    assert_refused(Raw(server, upcoming, f"X-Long: {'a' * 40_000}"), 431, "headers_too_large")
    assert_refused(Raw(server, upcoming, *[f"X-{n}: {'a' * 1_000}" for n in range(60)]), 431, "headers_too_large")
    # Above its own limits, the HTTP parser refuses with an empty body.
    assert Raw(server, f"/{'a' * 70_000}").status == 414
    assert Raw(server, upcoming, *[f"X-{n}: a" for n in range(200)]).status == 431


def test_an_unreadable_content_type_is_a_client_error(server: Server) -> None:
    login = "/api/v1/auth/login"
    for named in ("a" * 10_000, "application/json; charset=" + "x" * 10_000, "a;" * 5_000, ";", "\xe9/\xe9"):
        answer = Raw(server, login, f"Content-Type: {named}", "Content-Length: 2", method="POST", body="{}")
        assert answer.status in (400, 415), named
        assert list(json.loads(answer.body)) == ENVELOPE


def test_headers_with_an_underscore_are_ignored(server: Server) -> None:
    """A proxy that removes X-Request-ID from clients' requests does not remove X_Request_ID."""
    assert Raw(server, "/healthz", "X-Request-ID: mine").headers["x-request-id"] == "mine"
    assert Raw(server, "/readyz", "X_Request_ID: mine").headers["x-request-id"] != "mine"


def test_addresses_arrive_decoded(server: Server) -> None:
    found = Raw(server, "/api/v1/live-stream/user/6b090ffd027bd6b62e19f30%37/past-streams?limit=%31")
    assert_refused(found, 404, "user_not_found")
    assert_refused(Raw(server, "/api/v1/live-stream/%C4%B1%ff%00"), 401, "authentication_required")
    assert_refused(Raw(server, "/%E2%82%AC?%E2%82%AC=%ff"), 404, "not_found")


def test_uploaded_files_are_served_with_security_headers(server: Server) -> None:
    got, head = Raw(server, "/media/photos/one.webp"), Raw(server, "/media/photos/one.webp", method="HEAD")
    assert (got.status, got.body, got.headers["content-type"]) == (200, b"a picture", "image/webp")
    assert (head.status, head.body, head.headers["content-length"]) == (200, b"", "9")
    known = Raw(server, "/media/photos/one.webp", f"If-None-Match: {got.headers['etag']}")
    assert (known.status, known.body) == (304, b"")
    for answer in (got, head, known, Raw(server, "/media/photos/page.html"), Raw(server, "/media/nothing")):
        assert answer.headers["x-content-type-options"] == "nosniff"
    assert got.headers["content-security-policy"] == "default-src 'none'; sandbox"


NO_FILES = (
    *("", ".", "nothing", "photos", "photos/", "link", ".hidden", "/etc/passwd", "//etc/passwd"),
    *("../secret", "%2e%2e/secret", "..%2fsecret", "photos/../../secret", "photos/%2e%2e/%2e%2e/secret"),
    *("photos/one.webp%00", "photos/one.webp/", "photos%5Cone.webp"),
)


def test_a_path_that_is_no_uploaded_file_is_not_found(server: Server) -> None:
    for name in NO_FILES:
        assert_refused(Raw(server, f"/media/{name}"), 404, "not_found")


def test_the_health_page_is_read_only_and_answers_in_the_envelope(server: Server) -> None:
    answer = Raw(server, "/healthz")
    assert json.loads(answer.body)["data"] == {"status": "alive"}
    assert Raw(server, "/healthz", method="HEAD").body == b""
    assert_refused(Raw(server, "/healthz", "Content-Length: 0", method="POST"), 405, "method_not_allowed")
