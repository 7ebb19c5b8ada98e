"""A server whose log is on a full disk starts, serves and stops."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings

from tests.patience import PATIENCE
from tests.servers import UNLIMITED, Server, database_url, free_port, wait_for_port

FULL = Path("/dev/full")  # each write fails as on a full disk


@pytest.mark.skipif(not FULL.exists(), reason="needs /dev/full, which Linux has")
@pytest.mark.django_db(transaction=True)
def test_a_server_serves_although_its_log_is_on_a_full_disk() -> None:
    port = free_port()
    logging = {"LOG_LEVEL": "DEBUG"}
    with FULL.open("wb") as full:
        process = subprocess.Popen(
            [sys.executable, "manage.py", "serve", "--port", str(port), "--workers", "1"],
            cwd=settings.BASE_DIR,
            env=os.environ | {"DATABASE_URL": database_url()} | UNLIMITED | logging,
            stderr=full,
        )
    try:
        wait_for_port(port)
        assert [Server(port).call("GET", "/.well-known/jwks.json").status for _ in range(5)] == [200] * 5
    finally:
        process.send_signal(signal.SIGTERM)
        code = process.wait(timeout=PATIENCE)
    assert code == 0
