"""Addresses that contain a secret: nothing that a running server logs shows it."""

import json
import logging
from collections import Counter
from http.client import HTTPConnection
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.utils import timezone

from common.log_secrets import Masks
from reminders.channels.email import unsubscribe_address
from reminders.services import create_calendar_address
from tests.conftest import make_user, token_of
from tests.patience import PATIENCE, wait_until
from tests.servers import Server, lost_database, running_server

# What an operator may set to see more.
TALKATIVE = {"LOG_LEVEL": "DEBUG"}


def sent(server: Server, method: str, path: str, **headers: str) -> int:
    connected = HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
    try:
        connected.request(method, path, headers=headers)
        response = connected.getresponse()
        response.read()
        return response.status
    finally:
        connected.close()


def _logged(capfd: pytest.CaptureFixture[str], text: str, times: int) -> str:
    """What has been logged once `text` is there so many times. A line may follow its answer."""
    written: list[str] = []

    def is_logged() -> bool:
        written.extend(capfd.readouterr())
        return "".join(written).count(text) >= times

    wait_until(is_logged)
    return "".join(written)


@pytest.mark.django_db(transaction=True)
def test_no_log_line_of_a_server_shows_the_secret_of_an_address(capfd: pytest.CaptureFixture[str]) -> None:
    viewer = make_user("viewer")
    unsubscribing = unsubscribe_address(viewer.pk).rpartition("/")[2]
    token = token_of(viewer)

    with running_server(workers=1, **TALKATIVE) as server:
        created = server.call("POST", "/api/v1/live-stream/my-calendar", token=token)
        secret = created.json()["data"]["url"].rpartition("/")[2].removesuffix(".ics")
        path = f"/calendar/{secret}.ics"
        answers = [
            sent(server, "GET", path),
            sent(server, "HEAD", path),
            sent(server, "GET", f"{path}?t=1"),
            sent(server, "POST", path),
            sent(server, "GET", path, Host="elsewhere.example"),
            sent(server, "GET", f"/calendar/{secret}"),
            sent(server, "GET", f"/calendar/{secret}.ics/more"),
            sent(server, "GET", f"/c%61lendar/{secret}.ics"),
            sent(server, "GET", f"/unsubscribe/{unsubscribing}"),
            sent(server, "GET", path, **{"Content-Type": "text/plain; charset=none"}),
        ]
        with lost_database():
            answers.append(sent(server, "GET", path))
        connection.close()  # the server has closed that of the test too
        server.call("DELETE", "/api/v1/live-stream/my-calendar", token=token)
        answers.append(sent(server, "GET", path))
        written = _logged(capfd, '"event":"request"', 14)

    assert answers == [200, 200, 200, 405, 200, 404, 404, 200, 200, 200, 503, 404]
    assert secret not in written
    assert unsubscribing not in written
    lines = [json.loads(line) for line in written.splitlines() if line.startswith("{")]
    routes = Counter(line["route"] for line in lines if line["logger"] == "access")
    assert routes["/calendar/{secret}.ics"] == 9, "they are logged, without the secret"
    assert routes["/unsubscribe/{token}"] == 1
    assert routes["/api/v1/live-stream/my-calendar"] == 2


@pytest.fixture
def line_of() -> Any:
    """A function that formats a message as the settings do."""
    formatter = settings.LOGGING["formatters"]["json"]
    made = formatter["()"](**{name: value for name, value in formatter.items() if name != "()"})

    def line(message: str, *args: object, error: Exception | None = None) -> str:
        info = None if error is None else (type(error), error, None)
        return str(made.format(logging.LogRecord("x", logging.ERROR, "x.py", 1, message, args, info)))

    return line


def test_the_secret_is_replaced_in_messages_arguments_and_exceptions(line_of: Any) -> None:
    for line in (
        line_of("Not Found: /calendar/s3cret.ics"),
        line_of("Not Found: %s", "/calendar/s3cret.ics?x=1"),
        line_of('"GET /calendar/s3cret.ics HTTP/1.1" 200'),
        line_of("failed", error=ValueError("'/unsubscribe/s3cret' is bad")),
    ):
        assert "s3cret" not in line
        assert "[secret]" in line
        json.loads(line)


def test_other_paths_are_logged_as_they_are(line_of: Any) -> None:
    path = "/api/v1/live-stream/673ac9e2c93fe18d3fdd23f1/calendar.ics"
    assert path in line_of("GET %s", path)


def test_prefixes_are_taken_literally() -> None:
    assert Masks(["/a.b/"], []).masked("/a.b/x /axb/x") == "/a.b/[secret] /axb/x"


@pytest.mark.django_db
def test_the_secret_of_a_new_address_is_in_no_log_record(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    secret = create_calendar_address(by=make_user("viewer"), now=timezone.now()).secret
    assert secret not in caplog.text
