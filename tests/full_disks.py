"""A folder without space: a full file system where one can be mounted (as root), else a limit on the size of files."""

import os
import resource
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def full(folder: Path) -> Iterator[None]:
    """Nothing fits into the folder inside the block. It must exist."""
    if os.geteuid() != 0:
        with limited_files():
            yield
        return
    with mounted(folder, kilobytes=256):
        fill(folder)
        yield


@contextmanager
def mounted(folder: Path, *, kilobytes: int) -> Iterator[None]:
    """A file system of this size at the folder. Needs root."""
    options = f"size={kilobytes}k,mode=777"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "kumanda-tests", str(folder)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(folder: Path) -> None:
    """Write until no byte fits."""
    with (folder / "filler").open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 4096)
        except OSError:
            return


@contextmanager
def limited_files(size: int = 8) -> Iterator[None]:
    """This process cannot write a file of more than `size` bytes: an error as of a full disk (EFBIG)."""
    before, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (before, hard))
        signal.signal(signal.SIGXFSZ, handler)
