"""PgBouncer in transaction mode, as docs/connections.md configures it, if it is installed."""

import re
import shutil
import socket
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from benchmarks.world import DATABASE, ROOT
from common.postgres.account import account_for

PGBOUNCER = shutil.which("pgbouncer", path="/usr/sbin:/usr/bin:/usr/local/bin:/opt/homebrew/bin")

PAGE = ROOT / "docs" / "connections.md"


def configuration(place: str, changed: Mapping[str, str]) -> str:
    """The example of docs/connections.md with the address of the database, and with other values of some settings."""
    (text,) = re.findall(r"```ini\n(\[databases\].*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    text, count = re.subn(r"(?m)^(kumanda = )host=\S+ port=\S+ dbname=\S+", rf"\1{place}", text)
    if count != 1:
        raise ValueError(f"{PAGE.name} has an example without the database kumanda")
    for name in changed:
        text = re.sub(rf"(?m)^;? ?{name} = .*\n", "", text)
    return text + "".join(f"{name} = {value}\n" for name, value in changed.items())


class Pooler:
    def __init__(self, folder: Path, port: int, upstream: int, users: list[str], account_of: Path) -> None:
        """`account_of` is a file of the account that runs it: it refuses to run as root."""
        self.folder, self.port = folder, port
        self.account = account_for(account_of)
        folder.mkdir()
        changed = {
            "listen_port": str(port),
            "auth_type": "trust",
            "auth_file": f"{folder}/users",
            "unix_socket_dir": "",
            "logfile": f"{folder}/pgbouncer.log",
            "pidfile": f"{folder}/pgbouncer.pid",
        }
        text = configuration(f"host=127.0.0.1 port={upstream} dbname={DATABASE}", changed)
        (folder / "pgbouncer.ini").write_text(text)
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
