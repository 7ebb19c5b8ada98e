"""PostgreSQL servers that can be killed, stopped and promoted, with the programs of the embedded server."""

import os
import shlex
import signal
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import psutil

from benchmarks.attack.service import family
from common.postgres.account import account_for
from common.postgres.embedded import binaries

STOPPING = 60  # seconds


class PostgresServer(ABC):
    """One server, with its data in the folder `data`. Its programs raise RuntimeError when they fail."""

    seconds = 90.0  # for one run of a program

    def __init__(self, data: Path) -> None:
        self.data = data
        self.log = data.with_suffix(".log")
        self.account = account_for(data)

    def run(self, program: str, *arguments: str, stdin: bytes = b"") -> None:
        # The variables of libpq and of the server's programs are meant for other servers.
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        with self.log.open("ab") as log:
            done = subprocess.run(
                [binaries() / program, *arguments],
                input=stdin,
                stdout=log,
                stderr=log,
                cwd="/",
                env=environment | {"LC_ALL": "C", "PGDATA": str(self.data)},
                start_new_session=True,
                check=False,
                user=self.account.user,
                group=self.account.group,
                extra_groups=self.account.extra_groups,
                timeout=self.seconds,
            )
        if done.returncode:
            tail = "\n".join(self.log.read_text(errors="replace").splitlines()[-15:])
            raise RuntimeError(f"{program} {' '.join(arguments[:1])} failed:\n{tail}")

    @property
    @abstractmethod
    def options(self) -> Sequence[str]:
        """The settings with which it is started, each as `name=value`."""

    def start(self) -> None:
        words = shlex.join(word for option in self.options for word in ("-c", option))
        # With -D the folder is in the command line of the server: see `processes`.
        self.run("pg_ctl", "start", "-D", str(self.data), "--silent", "--wait", "--timeout=60", f"--options={words}")

    def stop(self, mode: str) -> None:
        """`mode` is fast or immediate. The latter needs crash recovery afterwards."""
        self.run("pg_ctl", "stop", "--silent", "--wait", f"--timeout={STOPPING}", f"--mode={mode}")

    def promote(self) -> None:
        self.run("pg_ctl", "promote", "--silent", "--wait", "--timeout=60")

    def processes(self) -> list[psutil.Process]:
        """The server's process and those that it started."""
        with suppress(OSError, ValueError, IndexError, psutil.Error):
            postmaster = psutil.Process(int((self.data / "postmaster.pid").read_text().splitlines()[0]))
            # The file of a killed server may name any process.
            if str(self.data) in postmaster.cmdline():
                return family(postmaster)
        return []

    @property
    def is_running(self) -> bool:
        return bool(self.processes())

    def signal(self, number: int) -> None:
        """Send it to all its processes."""
        for process in self.processes():
            with suppress(psutil.Error):
                process.send_signal(number)

    def kill(self) -> None:
        """SIGKILL of all its processes at once, as when the machine is gone. Then waits for their end."""
        assert self.is_running, "it does not run"
        self._kill()

    def _kill(self) -> None:
        processes = self.processes()
        for process in processes:
            with suppress(psutil.Error):
                process.kill()
        psutil.wait_procs(processes, timeout=self.seconds)
        (self.data / "postmaster.pid").unlink(missing_ok=True)

    def discard(self) -> None:
        """Stop it in any state. Its data need not be usable afterwards."""
        self.signal(signal.SIGCONT)
        if self.is_running:
            with suppress(RuntimeError):
                self.stop("immediate")
        self._kill()
