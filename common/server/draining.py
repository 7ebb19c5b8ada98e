"""What a server process does before it ends: it closes connections one after the other, and ends calls that wait.

HTTP has no way to refuse a request that is already on its way on an idle connection. So a process that shall end first
answers each call with `Connection: close`, and the client sends its next call on another connection. When the process
ends after a while, hardly any connection is idle. Without Django, because the process begins before it.
"""

from collections.abc import Callable

_at_end: list[Callable[[], None]] = []


class _State:
    closes = False
    is_stopping = False
    has_ended_waits = False


_state = _State()


def begin(*, is_stopping: bool) -> None:
    """From now on each answer closes its connection. With `is_stopping`, this process is not ready any more either.

    A process that is replaced by another one of the same host does not stop the service: the host stays ready.
    """
    _state.closes = True
    _state.is_stopping = _state.is_stopping or is_stopping


def closes_connections() -> bool:
    """Whether each answer closes its connection."""
    return _state.closes


def is_stopping() -> bool:
    """Whether load balancers should choose another host."""
    return _state.is_stopping


def end_waits() -> None:
    """Calls that wait for something to happen are answered now, and new ones do not wait."""
    _state.has_ended_waits = True
    for callback in _at_end:
        callback()


def has_ended_waits() -> bool:
    return _state.has_ended_waits


def call_at_end(callback: Callable[[], None]) -> None:
    """Have `callback` wake the calls that wait. It runs in the event loop, so it must not block."""
    _at_end.append(callback)
