"""Values in the files of prometheus_client, for what happens so often that its own methods would take too long.

They write to the same places of the same files, several of them under one lock: see decision 50. A cell is the only one
that changes its value, so it does not read it again.
"""

from struct import Struct
from threading import Lock
from typing import Any

_packed = Struct("d").pack
LENGTH = 8  # bytes of a value

# Held by whoever adds to cells.
lock = Lock()


class Cell:
    __slots__ = ("_file", "_position", "_value")

    def __init__(self, value: Any) -> None:
        """`value` is what prometheus_client has behind a metric whose values are in files."""
        self._file = value._file
        self._position = self._file._positions[value._key]
        self._value = value.get()

    def add(self, by: float) -> None:
        self._value += by
        # The map is another one after the file has grown.
        self._file._m[self._position : self._position + LENGTH] = _packed(self._value)


_cells: dict[Any, Cell] = {}


def cell_of(value: Any) -> Cell:
    """The same for the same value."""
    with lock:
        found = _cells.get(value)
        if found is None:
            found = _cells[value] = Cell(value)
        return found
