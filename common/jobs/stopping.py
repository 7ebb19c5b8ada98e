"""Whether this process was asked to stop, for long work that can be interrupted between two steps.

Workers request it on SIGTERM and SIGINT. A loop that checks it stores its progress and leaves the rest to another job.
"""

from threading import Event

_requested = Event()


def request() -> None:
    _requested.set()


def is_requested() -> bool:
    return _requested.is_set()


def reset() -> None:
    """Forget the request, for a worker that starts in a process where another one was stopped, as in tests."""
    _requested.clear()
