"""PgBouncer in transaction mode, as docs/connections.md configures it, if it is installed."""

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from benchmarks.stacks import await_port
from benchmarks.world import ROOT
from common.postgres.account import Account

# PGBOUNCER names another program than that of the package.
PGBOUNCER = os.environ.get("PGBOUNCER") or shutil.which(
    "pgbouncer", path="/usr/sbin:/usr/bin:/usr/local/bin:/opt/homebrew/bin"
)
PAGE = ROOT / "docs" / "connections.md"


def configuration(name: str, place: str, changes: Mapping[str, str | None], connect_query: str = "") -> str:
    """The example for a database that clients call `name`, with the address `place`.

    `changes` are settings of its second section; with None, one is left out. Raises ValueError if the example has no
    database.
    """
    (text,) = re.findall(r"```ini\n(\[databases\].*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    text, count = re.subn(r"(?m)^kumanda = host=\S+ port=\S+ dbname=\S+", lambda _: f"{name} = {place}", text)
    if count != 1:
        raise ValueError(f"{PAGE.name} has an example without the database kumanda")
    if connect_query:
        text = re.sub(r"connect_query='[^']*'", lambda _: f"connect_query='{connect_query}'", text)
    for setting in changes:
        text = re.sub(rf"(?m)^;? ?{setting} = .*\n", "", text)
    return text + "".join(f"{setting} = {value}\n" for setting, value in changes.items() if value is not None)


def started(folder: Path, port: int, account: Account) -> "subprocess.Popen[bytes]":
    """Run it with `pgbouncer.ini` of the folder, which it owns. It refuses to run as root. Returns when it listens."""
    account.own(folder)
    process = subprocess.Popen(
        [str(PGBOUNCER), "--quiet", str(folder / "pgbouncer.ini")],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=folder,
        user=account.user,
        group=account.group,
        extra_groups=account.extra_groups,
    )
    try:
        await_port(port)
    except RuntimeError:
        process.kill()
        process.wait()
        raise
    return process
