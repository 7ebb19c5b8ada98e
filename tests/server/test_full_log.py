"""A server whose log is on a full disk starts, serves and stops."""

from pathlib import Path

import pytest
from django.conf import settings

from tests.servers import free_port, started_server, wait_for_port

FULL = Path("/dev/full")  # each write fails as on a full disk
LOGS = {"LOG_LEVEL": "DEBUG"}


@pytest.mark.skipif(not FULL.exists(), reason="The device /dev/full is missing. Linux has it, and macOS has none.")
@pytest.mark.django_db(transaction=True)
def test_a_server_serves_although_its_log_is_on_a_full_disk() -> None:
    port = free_port()
    with FULL.open("wb") as full, started_server(port, settings.BASE_DIR, LOGS, stderr=full) as server:
        wait_for_port(port)
        assert [server.call("GET", "/.well-known/jwks.json").status for _ in range(5)] == [200] * 5
        server.stop()
