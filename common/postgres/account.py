"""The system account a private PostgreSQL server runs as, since PostgreSQL refuses to run as root."""

import os
import pwd
import shutil
import stat
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

# Root runs the server as the first of these that exists, and makes the last one on a machine with neither.
SERVER_ACCOUNTS = ("postgres", "embedded_postgres")


@dataclass(frozen=True)
class Account:
    """A user and group, and whether this process must switch to them to run programs as that user."""

    uid: int
    gid: int
    is_other: bool

    @property
    def user(self) -> int | None:
        return self.uid if self.is_other else None

    @property
    def group(self) -> int | None:
        return self.gid if self.is_other else None

    @property
    def extra_groups(self) -> list[int] | None:
        return [] if self.is_other else None

    def own(self, tree: Path) -> None:
        """Give a folder and all it holds to this account."""
        if self.is_other:
            for path in (tree, *tree.rglob("*")):
                os.chown(path, self.uid, self.gid, follow_symlinks=False)

    def open_way_to(self, paths: Iterable[Path]) -> None:
        """Let this account traverse each folder above the paths, without listing it (permission x for others)."""
        if self.is_other:
            for folder in {parent for path in paths for parent in path.parents}:
                found = folder.stat()
                if found.st_uid != self.uid:
                    _allow(folder, found.st_mode, stat.S_IXOTH)

    def open_for_reading(self, tree: Path) -> None:
        """Let this account read and run what a folder holds; pip under a strict umask keeps it to root."""
        if self.is_other:
            for path in (tree, *tree.rglob("*")):
                mode = path.stat().st_mode
                runs = stat.S_ISDIR(mode) or mode & stat.S_IXUSR
                _allow(path, mode, stat.S_IROTH | (stat.S_IXOTH if runs else 0))


def account_for(cluster: Path) -> Account:
    """Return the account that runs the server of this cluster: the cluster's owner, once there is one.

    Raises ImproperlyConfigured when this process can't run programs as that account.
    """
    owner = cluster.stat() if cluster.exists() else None
    if os.geteuid() != 0:
        if owner and owner.st_uid != os.geteuid():
            raise ImproperlyConfigured(
                f"The database in {cluster} belongs to another user (uid {owner.st_uid}). "
                "Run as that user, or name another data folder."
            )
        return Account(os.geteuid(), os.getegid(), is_other=False)
    if owner and owner.st_uid != 0:
        return Account(owner.st_uid, owner.st_gid, is_other=True)
    entry = _server_account()
    account = Account(entry.pw_uid, entry.pw_gid, is_other=True)
    if owner:
        # A copy that root made: PostgreSQL refuses files of another owner.
        account.own(cluster)
    return account


def _server_account() -> pwd.struct_passwd:
    for name in SERVER_ACCOUNTS:
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    useradd = shutil.which("useradd", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if useradd is None:
        raise ImproperlyConfigured(
            f"PostgreSQL refuses to run as root. Add a system user named {SERVER_ACCOUNTS[-1]}, "
            "or run this command as an ordinary user."
        )
    # Of two concurrent first starts, the second useradd fails, and the account exists.
    subprocess.run(
        [useradd, "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", SERVER_ACCOUNTS[-1]],
        check=False,
        capture_output=True,
    )
    return pwd.getpwnam(SERVER_ACCOUNTS[-1])


def _allow(path: Path, mode: int, bits: int) -> None:
    if mode & bits != bits:
        path.chmod(stat.S_IMODE(mode) | bits)
