"""A server with a private database, for tests that stop or restart it: concurrent tests need theirs."""

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import psycopg
from django.conf import settings

from tests.forking import manage
from tests.patience import PATIENCE
from tests.servers import Answer, Server, running_server, without_database_url

CREATE_USER = """
from django.utils import timezone
from accounts import services, tokens
now = timezone.now()
user = services.create_user("creator", "correct horse battery staple", by=None, now=now)
print(tokens.AccessToken.of(services.log_in("creator", "correct horse battery staple", now=now), now=now))
"""


@dataclass(frozen=True)
class Private:
    """`data` is the folder of the database, `token` that of its only user."""

    server: Server
    data: Path
    token: str

    def read(self) -> Answer:
        return self.server.call("GET", "/api/v1/users/me", token=self.token)

    def connect(self) -> psycopg.Connection:
        return psycopg.connect(host=str(self.data / "postgres"), user="kumanda", dbname="kumanda", autocommit=True)

    @property
    def postmaster(self) -> psutil.Process:
        return psutil.Process(int((self.data / "postgres" / "postmaster.pid").read_text().split()[0]))

    @contextmanager
    def stopped_database(self) -> Iterator[None]:
        """All processes of the database are stopped by SIGSTOP while the block runs."""
        family = [self.postmaster, *self.postmaster.children(recursive=True)]
        for process in family:
            process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            for process in family:
                process.send_signal(signal.SIGCONT)


@contextmanager
def private_server(data: Path, *, workers: int = 2, **environment: str) -> Iterator[Private]:
    variables = without_database_url() | {"KUMANDA_DATA": str(data)} | environment

    def done_by(*command: str) -> str:
        done = subprocess.run(
            manage(*command),
            cwd=settings.BASE_DIR,
            env=variables,
            check=False,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip().splitlines()[-1] if done.stdout.strip() else ""

    done_by("migrate", "--verbosity", "0")
    token = done_by("shell", "--no-imports", "--verbosity", "0", "-c", CREATE_USER)
    with running_server(workers=workers, database=None, KUMANDA_DATA=str(data), **environment) as server:
        yield Private(server, data, token)
