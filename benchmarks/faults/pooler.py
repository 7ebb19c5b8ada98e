"""PgBouncer in transaction mode, if it is installed."""

import shutil
import socket
import subprocess
import time
from contextlib import suppress
from pathlib import Path

from benchmarks.world import DATABASE
from common.postgres.account import account_for

PGBOUNCER = shutil.which("pgbouncer", path="/usr/sbin:/usr/bin:/usr/local/bin:/opt/homebrew/bin")

CONFIGURATION = """
[databases]
{database} = host=127.0.0.1 port={upstream} dbname={database}

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = trust
auth_file = {folder}/users
pool_mode = transaction
default_pool_size = 20
max_client_conn = 500
server_login_retry = 1
server_connect_timeout = 3
query_wait_timeout = 3
ignore_startup_parameters = extra_float_digits, options
logfile = {folder}/pgbouncer.log
pidfile = {folder}/pgbouncer.pid
"""


class Pooler:
    def __init__(self, folder: Path, port: int, upstream: int, users: list[str], account_of: Path) -> None:
        """`account_of` is a file of the account that runs it: it refuses to run as root."""
        self.folder, self.port = folder, port
        self.account = account_for(account_of)
        folder.mkdir()
        configuration = CONFIGURATION.format(database=DATABASE, upstream=upstream, port=port, folder=folder)
        (folder / "pgbouncer.ini").write_text(configuration)
        (folder / "users").write_text("".join(f'"{user}" ""\n' for user in users))
        self.account.own(folder)
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        (self.folder / "pgbouncer.pid").unlink(missing_ok=True)
        self.process = subprocess.Popen(
            [str(PGBOUNCER), "--quiet", str(self.folder / "pgbouncer.ini")],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            user=self.account.user,
            group=self.account.group,
            extra_groups=self.account.extra_groups,
        )
        await_port(self.port)

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()


def await_port(port: int) -> None:
    """Raises RuntimeError when nothing listens there within ten seconds."""
    for _ in range(200):
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.05)
    raise RuntimeError(f"nothing listens on port {port}")
