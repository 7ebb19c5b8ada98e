"""The files in which a process keeps its values, so that another one can read them.

Without prometheus_client, which must be imported after `enable` has chosen the folder.
"""

import os
from pathlib import Path

# Bytes that a process reserves for the values of each kind: several times what all routes need. A mapped file without
# blocks on the disk would end the process (SIGBUS) at a write when the disk is full.
SIZES = {
    "counter": 1 << 20,
    "histogram": 1 << 21,
    "gauge_livesum": 1 << 16,
    "gauge_livemax": 1 << 16,
    "gauge_livemin": 1 << 16,
}


def file_of(folder: Path, kind: str, pid: int | str) -> Path:
    """As prometheus_client names it."""
    return folder / f"{kind}_{pid}.db"


def reserve(path: Path, size: int) -> None:
    """Make a file of `size` zeros with blocks on the disk, unless it exists. Raises OSError when there is no space.

    It gets its name when it is complete, because others read it by its name.
    """
    if path.exists():
        return
    made = path.with_suffix(".new")
    handle = os.open(made, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(handle, 0, size)
        else:  # macOS
            os.ftruncate(handle, size)
    except OSError:
        made.unlink()
        raise
    finally:
        os.close(handle)
    made.rename(path)


def join(folder: Path) -> None:
    """Reserve the files of this process. Raises OSError when there is no space for them."""
    for kind, size in SIZES.items():
        reserve(file_of(folder, kind, os.getpid()), size)
