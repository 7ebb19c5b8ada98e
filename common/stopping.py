"""Whether this process was asked to stop, for work that is long and can be left off between two steps.

Workers set it at SIGTERM and SIGINT. A loop that looks at it notes how far it came and leaves the rest to others.
"""

from threading import Event

_asked = Event()


def ask() -> None:
    _asked.set()


def is_asked() -> bool:
    return _asked.is_set()


def forget() -> None:
    """For a process that begins anew, as tests do."""
    _asked.clear()
