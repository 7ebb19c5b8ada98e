"""The whole installation: proxy, two servers, two workers, pooler, primary and replica, in a temporary folder."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.faults.pooler import Pooler
from benchmarks.faults.postgres import Postgres
from benchmarks.faults.programs import Server, Worker
from benchmarks.faults.proxy import nginx_before
from benchmarks.loading import world
from benchmarks.stacks import free_ports
from benchmarks.world import DATABASE, ROOT, World
from common.postgres.embedded import server_in

USERS, STREAMS, BANS = 2_000, 8_000, 4_000
SERVICE = "service"  # the role of servers and workers: no superuser, so that it cannot use the reserved connections
PICTURES_SIZE = 8  # MB, of the file system of pictures


@dataclass
class Installation:
    """`pictures` is whether the pictures have a small file system of their own, which only root can mount.

    After the promotion `primary` is what was the replica, and there is no `replica`.
    """

    folder: Path
    world: World
    primary: Postgres
    replica: Postgres | None
    pooler: Pooler
    servers: list[Server]
    workers: list[Worker]
    proxy_port: int
    pictures: bool

    @property
    def media(self) -> Path:
        return self.folder / "media"


@contextmanager
def installation(checkout: Path = ROOT, *, pooled: bool = True, logs: Path | None = None) -> Iterator[Installation]:
    """Start everything and yield it when it is ready. At the end everything is stopped and removed.

    Servers and workers are those of `checkout`. Unless `pooled`, they use the primary and nothing else: old versions
    know no pooler in transaction mode. The logs of all programs are copied to `logs` at the end.
    """
    with world(users=USERS, streams=STREAMS, bans=BANS, checkout=checkout) as loaded, ExitStack() as stack:
        folder = loaded.server_folder
        if logs:
            stack.callback(_kept, folder, logs)
        primary_port, replica_port, pooler_port, proxy_port, *ports = free_ports(6)
        primary = _primary(loaded, primary_port)
        stack.callback(primary.discard)
        replica = primary.copied(folder / "replica", replica_port)
        replica.start()
        stack.callback(replica.discard)
        pooler = Pooler(folder / "pooler", pooler_port, primary_port, [SERVICE, DATABASE], primary.data)
        pooler.start()
        stack.callback(pooler.kill)
        pictures = _small_file_system(folder / "media", stack)
        environment = _environment(loaded, checkout, primary_port)
        if pooled:
            environment |= _scaled_out(primary_port, replica_port, pooler_port)
        servers = [
            Server(f"server {number}", port, checkout, environment, folder / f"server-{number}.log")
            for number, port in enumerate(ports, 1)
        ]
        made = Installation(
            folder, loaded, primary, replica, pooler, servers, [], proxy_port=proxy_port, pictures=pictures
        )

        def newest_worker() -> int:
            return int(made.primary.value("SELECT coalesce(max(id), 0) FROM procrastinate_workers"))

        made.workers = [
            Worker(f"worker {number}", checkout, environment, folder / f"worker-{number}.log", newest_worker)
            for number in (1, 2)
        ]
        stack.enter_context(nginx_before(ports, proxy_port, folder / "nginx"))
        for program in (*made.servers, *made.workers):
            stack.callback(program.kill)
            program.start()
            program.await_ready()
        yield made


def _primary(loaded: World, port: int) -> Postgres:
    """The server that loaded the data, again over TCP."""
    server_in(loaded.server_folder, owner=DATABASE).stop_if_last()
    primary = Postgres(loaded.server_folder / "postgres", port)
    primary.start()
    with primary.connect() as connection:
        connection.execute(f"CREATE ROLE {SERVICE} LOGIN IN ROLE {DATABASE}")
    return primary


def _address(port: int) -> str:
    return f"postgresql://{SERVICE}@127.0.0.1:{port}/{DATABASE}"


def _environment(loaded: World, checkout: Path, primary: int) -> dict[str, str]:
    """The whole environment of servers and workers. Versions that do not know a variable ignore it."""
    known = {name: value for name, value in loaded.environment.items() if not name.startswith("PG")}
    return known | {
        "PYTHONPATH": str(checkout),
        "DATABASE_URL": _address(primary),
        "DRAIN_SECONDS": "2",
        "TRUSTED_PROXIES": "127.0.0.1",
    }


def _scaled_out(primary: int, replica: int, pooler: int) -> dict[str, str]:
    return {
        "DATABASE_URL": _address(pooler),
        "DATABASE_DIRECT_URL": _address(primary),
        "DATABASE_PREPARED_STATEMENTS": "false",
        "DATABASE_REPLICA_URL": _address(replica),
        "DATABASE_REPLICA_MAX_LAG_SECONDS": "2",
    }


def _kept(folder: Path, logs: Path) -> None:
    logs.mkdir(parents=True, exist_ok=True)
    for log in (*folder.glob("*.log"), *folder.glob("pooler/*.log"), *folder.glob("nginx/*.log")):
        shutil.copy(log, logs / log.name)


def _small_file_system(folder: Path, stack: ExitStack) -> bool:
    """Mount one at `folder`, unless this process may not."""
    folder.mkdir()
    if os.geteuid() != 0 or sys.platform != "linux":
        return False
    mount = ["mount", "-t", "tmpfs", "-o", f"size={PICTURES_SIZE}m", "tmpfs", str(folder)]
    if subprocess.run(mount, check=False, stderr=subprocess.DEVNULL).returncode:
        return False
    stack.callback(subprocess.run, ["umount", "--lazy", str(folder)], check=False)
    return True
