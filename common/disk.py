"""Files on the disk: their content in blocks, and their names after a crash of the machine."""

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import IO

BLOCK = 1_048_576  # bytes


def blocks_of(file: IO[bytes]) -> Iterator[bytes]:
    """The rest of the file, without reading it as a whole."""
    return iter(partial(file.read, BLOCK), b"")


def sync_folder(folder: Path) -> None:
    """Wait until new, renamed and removed names in the folder are on the disk."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
