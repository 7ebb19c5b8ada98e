"""A server process accepts calls when what its first calls need is loaded, and whether or not the database answers."""

from pathlib import Path

import pytest
from django.conf import settings

from tests.servers import free_port, lost_database, started_server, wait_for_port

pytestmark = pytest.mark.django_db(transaction=True)

# Writes whether somebody listened on the port when the addresses were imported.
ADDRESSES = """
import socket
from pathlib import Path
from config.urls import *
with socket.socket() as probe:
    Path({found!r}).write_text("late" if probe.connect_ex(("127.0.0.1", {port})) == 0 else "in time")
"""


def test_the_addresses_are_imported_before_a_call_is_accepted(tmp_path: Path) -> None:
    port, found = free_port(), tmp_path / "found"
    (tmp_path / "probing_urls.py").write_text(ADDRESSES.format(found=str(found), port=port))
    (tmp_path / "probing_settings.py").write_text("from config.settings import *\n\nROOT_URLCONF = 'probing_urls'\n")
    environment = {"DJANGO_SETTINGS_MODULE": "probing_settings", "PYTHONPATH": str(tmp_path)}
    with started_server(port, settings.BASE_DIR, environment) as server:
        wait_for_port(port)
        assert server.call("GET", "/api/v1/live-stream/upcoming").status == 200
        assert found.read_text() == "in time"


def test_a_server_that_starts_without_its_database_answers_and_is_not_ready() -> None:
    port = free_port()
    with lost_database(), started_server(port, settings.BASE_DIR, {}) as server:
        wait_for_port(port)
        assert server.call("GET", "/healthz").status == 200
        assert server.call("GET", "/readyz").status == 503
        assert server.call("GET", "/api/v1/live-stream/upcoming").status == 503
