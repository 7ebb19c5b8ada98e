"""Looks at something again and again while a block runs."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def sampled(sample: Callable[[], object], *, every: float) -> Iterator[None]:
    """Call `sample` in a thread each `every` seconds while the block runs, or until it returns something true."""
    over = threading.Event()

    def sampling() -> None:
        while not over.wait(every):
            if sample():
                return

    thread = threading.Thread(target=sampling)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
