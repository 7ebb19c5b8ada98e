"""Answers that are sent in parts: an export of the audit trail through the real server."""

import json
import socket
from collections.abc import Iterator

import pytest
from django.db import connection
from django.test import Client

from accounts.models import User
from common.models import AuditEntry
from tests.conftest import make_user
from tests.patience import PATIENCE, wait_until
from tests.servers import Server, running_server

ROWS = 30_000
EXPORT = "/admin/common/auditentry/export/?group=streams"


@pytest.fixture(scope="module")
def server(database_of_tests: str) -> Iterator[Server]:
    with running_server(workers=1, database=database_of_tests) as running:
        yield running


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


def posted(server: Server, user: User) -> socket.socket:
    """A connection on which the export was asked for."""
    client = Client()
    client.force_login(user)
    body = "format=ndjson&csrfmiddlewaretoken=" + "a" * 32
    cookies = f"csrftoken={'a' * 32}; {client.cookies['sessionid'].OutputString().split(';')[0]}"
    lines = [
        f"POST {EXPORT} HTTP/1.1", f"Host: localhost:{server.port}", "Connection: close", f"Cookie: {cookies}",
        "Content-Type: application/x-www-form-urlencoded", f"Content-Length: {len(body)}",
    ]  # fmt: skip
    connected = socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE)
    connected.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + body.encode())
    return connected


def chunks_of(received: bytes) -> bytes:
    """The body of a chunked answer (RFC 9112, section 7.1), which must be complete."""
    body = b""
    while True:
        size, _, received = received.partition(b"\r\n")
        if int(size, 16) == 0:
            return body
        body, received = body + received[: int(size, 16)], received[int(size, 16) + 2 :]


def test_an_export_is_sent_in_parts_and_complete(server: Server, superuser: User) -> None:
    received = b""
    with posted(server, superuser) as connected:
        while piece := connected.recv(1 << 20):
            received += piece
    top, _, rest = received.partition(b"\r\n\r\n")
    assert b" 200 " in top.splitlines()[0] + b" ", top
    assert b"transfer-encoding: chunked" in top.lower()
    assert len([json.loads(line) for line in chunks_of(rest).splitlines()]) == ROWS
    finished = AuditEntry.objects.get(action="finish_audit_export")
    assert (finished.after["rows"], finished.after["is_complete"]) == (ROWS, True)


def test_an_export_ends_when_its_client_leaves(server: Server, superuser: User) -> None:
    with posted(server, superuser) as connected:
        assert connected.recv(1024).startswith(b"HTTP/1.1 200")
    finished = AuditEntry.objects.filter(action="finish_audit_export")
    wait_until(finished.exists)
    assert finished.get().after["is_complete"] is False
    assert finished.get().after["rows"] < ROWS
