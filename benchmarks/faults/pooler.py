"""The pooler: PgBouncer, which can be killed and started again."""

import subprocess
from pathlib import Path

from benchmarks.pgbouncer import configuration, started
from benchmarks.world import DATABASE
from common.postgres.account import account_for


class Pooler:
    def __init__(self, folder: Path, port: int, upstream: int, users: list[str], account_of: Path) -> None:
        """`account_of` is a file of the account that runs it."""
        self.folder, self.port = folder, port
        self.account = account_for(account_of)
        folder.mkdir()
        changes = {
            "listen_port": str(port),
            "auth_type": "trust",
            "auth_file": f"{folder}/users",
            "unix_socket_dir": "",
            "logfile": f"{folder}/pgbouncer.log",
            "pidfile": f"{folder}/pgbouncer.pid",
        }
        text = configuration(DATABASE, f"host=127.0.0.1 port={upstream} dbname={DATABASE}", changes)
        (folder / "pgbouncer.ini").write_text(text)
        (folder / "users").write_text("".join(f'"{user}" ""\n' for user in users))
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        (self.folder / "pgbouncer.pid").unlink(missing_ok=True)
        self.process = started(self.folder, self.port, self.account)

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
