"""Answers that are sent in parts: an export of the audit trail through the real server."""

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from django.contrib.staticfiles import finders
from django.core.wsgi import get_wsgi_application
from django.db import connection
from django.test import Client, RequestFactory

from accounts.models import User
from common import access_log
from common.models import AuditEntry
from common.server import application, measuring
from tests.conftest import make_user
from tests.patience import PATIENCE, wait_until
from tests.servers import Server

pytestmark = pytest.mark.slow

ROWS = 30_000
EXPORT = "/admin/common/auditentry/export/?group=streams"


@pytest.fixture
def superuser(transactional_db: None) -> User:
    user = make_user("root", is_staff=True, is_superuser=True)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO common_auditentry (at, entry_point, actor_name, action, target_type, target_id, before, after,
                reason, request_id)
            SELECT now(), 'task', '', 'edit_stream', 'livestream', %s, '{}', '{}', repeat('x', 200), ''
            FROM generate_series(1, %s)
            """,
            [bytes(12), ROWS],
        )
    return user


def posted(server: Server, user: User) -> HTTPConnection:
    """A connection on which the export was asked for."""
    client = Client()
    client.force_login(user)
    token = "a" * 32
    headers = {
        "Content-Type": "application/x-www-form-urlencoded",
        "Cookie": f"csrftoken={token}; sessionid={client.cookies['sessionid'].value}",
    }
    connected = HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
    connected.request("POST", EXPORT, f"format=ndjson&csrfmiddlewaretoken={token}", headers)
    return connected


def test_an_export_is_sent_in_parts_and_complete(server: Server, superuser: User) -> None:
    with closing(posted(server, superuser)) as connected:
        answer = connected.getresponse()
        body = answer.read()  # raises IncompleteRead if the last chunk is missing
    assert (answer.status, answer.headers["Transfer-Encoding"]) == (200, "chunked"), body
    assert len([json.loads(line) for line in body.splitlines()]) == ROWS
    finished = AuditEntry.objects.get(action="finish_audit_export")
    assert (finished.after["rows"], finished.after["is_complete"]) == (ROWS, True)


def test_an_export_ends_when_its_client_leaves(server: Server, superuser: User) -> None:
    with closing(posted(server, superuser)) as connected:
        assert connected.getresponse().status == 200
    finished = AuditEntry.objects.filter(action="finish_audit_export")
    wait_until(finished.exists)
    assert finished.get().after["is_complete"] is False
    assert finished.get().after["rows"] < ROWS


class Recording:
    """A protocol and its transport, for a client that accepts nothing of a streamed answer."""

    def __init__(self) -> None:
        self.whole: list[tuple[int, bytes]] = []
        self.waiting: list[asyncio.Future[None]] = []

    def response_bytes(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.whole.append((status, body))

    def response_stream(self, status: int, headers: list[tuple[str, str]]) -> "Recording":
        return self

    def send_bytes(self, data: bytes) -> asyncio.Future[None]:
        self.waiting.append(asyncio.get_running_loop().create_future())
        return self.waiting[-1]


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    running = asyncio.new_event_loop()
    thread = threading.Thread(target=running.run_forever)
    thread.start()
    yield running
    running.call_soon_threadsafe(running.stop)
    thread.join()
    running.close()


@pytest.mark.django_db(transaction=True)  # the end of a call closes its connection to the database
def test_a_static_file_is_sent_at_once(loop: asyncio.AbstractEventLoop) -> None:
    """So a slow client does not keep a thread."""
    picture = finders.find("livestreams/default-thumbnail.webp")
    assert picture is not None
    protocol: Any = Recording()
    environ = RequestFactory().get("/static/livestreams/default-thumbnail.webp").environ
    measuring.begin(environ)
    access_log.begin(environ, "a-request")
    application._answer_by(get_wsgi_application(), environ, protocol, loop)
    assert protocol.whole == [(200, Path(picture).read_bytes())]


def test_a_part_that_its_client_does_not_accept_is_given_up(
    loop: asyncio.AbstractEventLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(application, "SEND_TIMEOUT", 0.1)
    protocol: Any = Recording()
    application._stream([b"", b"one", b"two"], protocol, loop)
    wait_until(protocol.waiting[0].done)
    assert [part.cancelled() for part in protocol.waiting] == [True]
