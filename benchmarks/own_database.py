"""A database of its own for a benchmark that runs in one process."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.report import interrupt_on_sigterm
from benchmarks.world import UNMET_LIMITS
from common.postgres.embedded import server_in

OWNER = "kumanda"


@contextmanager
def own_database(name: str) -> Iterator[None]:
    """Start a server in a temporary folder and name it in the environment, before Django is set up.

    At the end, also after Ctrl-C and SIGTERM, the server is stopped and the folder removed.
    """
    interrupt_on_sigterm()
    folder = Path(tempfile.mkdtemp(prefix=f"kumanda-{name}-"))
    server = server_in(folder, owner=OWNER)
    try:
        sockets = server.ensure_running()
        os.environ |= {
            "DATABASE_URL": f"postgresql://{OWNER}@/{OWNER}?host={sockets}",
            "KUMANDA_DATA": str(folder),
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "DEBUG": "false",
            "ALLOWED_HOSTS": "testserver",
        } | UNMET_LIMITS
        yield
    finally:
        server.stop_if_last()
        shutil.rmtree(folder, ignore_errors=True)
