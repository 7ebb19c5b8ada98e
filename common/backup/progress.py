"""How far a backup or restore is, in whole megabytes."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

MEGABYTE = 1_048_576

# Shows how far a step is: called with its length and its name, it yields a function that takes what was done.
type Advancing = Callable[..., AbstractContextManager[Callable[[int], None]]]


def in_megabytes(advance: Callable[[int], None]) -> Callable[[int], None]:
    """A function that takes bytes, and calls `advance` with whole megabytes."""
    done = 0

    def add(size: int) -> None:
        nonlocal done
        before, done = done, done + size
        advance(done // MEGABYTE - before // MEGABYTE)

    return add


def counted(parts: Iterator[bytes], advance: Callable[[int], None]) -> Iterator[bytes]:
    """The parts; `advance` is called with whole megabytes."""
    add = in_megabytes(advance)
    for part in parts:
        yield part
        add(len(part))
