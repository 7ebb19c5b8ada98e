"""The program of one server process: serves an RSGI application on a socket that it inherits.

The supervisor starts it as `python -m common.server.process config.rsgi:application --socket FD --report FD`. It warms
the application up, and writes one line of JSON to the file descriptor of `--report` when it serves.

| signal | what the process does |
|---|---|
| SIGTERM | is not ready any more, serves on for DRAIN_SECONDS with `Connection: close`, then stops |
| SIGHUP | another process has taken its place: it accepts no more, and serves open connections likewise |
| SIGINT | stops at once: accepts no more, and finishes the calls in progress |

It runs Granian's worker directly. Granian's own parent process forks workers that each open a socket of their own, so
connections that wait for a worker are lost when it ends; and when a new worker does not start, it stops all.
"""

import argparse
import asyncio
import json
import logging
import os
import signal
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

from granian._futures import _future_watcher_wrapper, _new_cbscheduler
from granian._granian import RSGIWorker, SocketHolder, WorkerSignal
from granian._loops import loops
from granian.rsgi import _callback_wrapper

from common import tracing
from common.logging import log_uncaught
from common.processes import end_with_parent
from common.server import draining
from common.server.sockets import CONNECTIONS, drop_new_connections, stop_accepting

# How long handshakes in progress may take to complete: the round trip of a distant client.
HANDSHAKE_SECONDS = 0.3
# How long a client may take to send its request on a connection that it has just opened.
REQUEST_SECONDS = 1.0


class Ending:
    """The steps by which this process ends, in the event loop. `stop` lets Granian stop."""

    def __init__(self, loop: asyncio.AbstractEventLoop, listening: int, drain_seconds: float, stop: Any) -> None:
        self._loop, self._listening, self._stop = loop, listening, stop
        self._drain_seconds = drain_seconds
        self._has_begun = self._has_stopped = False
        for number, handler in (
            (signal.SIGTERM, self.drain),
            (signal.SIGHUP, self.give_way),
            (signal.SIGINT, self.stop),
        ):
            loop.add_signal_handler(number, handler)

    def drain(self) -> None:
        """The service stops. Clients and load balancers have DRAIN_SECONDS to choose another host."""
        draining.begin(is_stopping=True)
        if self._drain_seconds <= 0:
            self.stop()
        elif not self._has_begun:
            self._has_begun = True
            self._loop.call_later(self._drain_seconds, self._refuse_connections)

    def _refuse_connections(self) -> None:
        drop_new_connections(self._listening)
        self._loop.call_later(HANDSHAKE_SECONDS, self._close_idle)

    def _close_idle(self, after: float = REQUEST_SECONDS) -> None:
        stop_accepting(self._listening)
        draining.end_waits()
        self._loop.call_later(after, self.stop)

    def give_way(self) -> None:
        """Another process accepts on the same socket already."""
        draining.begin(is_stopping=False)
        if not self._has_begun:
            self._has_begun = True
            self._close_idle(max(self._drain_seconds, REQUEST_SECONDS))

    def stop(self) -> None:
        if not self._has_stopped:  # Granian's signal blocks when it is set more often than it is read
            self._has_stopped = True
            draining.begin(is_stopping=True)
            draining.end_waits()
            self._stop.set()


def serve(application: Any, listening: int, *, drain_seconds: float, when_serving: Callable[[], None]) -> None:
    """Serve on the socket `listening` until a signal ends it. `application` is an RSGI application with an init."""
    loop = loops.get("uvloop")
    ended = asyncio.Event()
    stop = WorkerSignal()
    stop.add_cb(lambda: loop.call_soon_threadsafe(ended.set))
    Ending(loop, listening, drain_seconds, stop)
    application.__rsgi_init__(loop)
    # Granian's stubs lack these arguments.
    new_worker: Any = RSGIWorker
    new_holder: Any = SocketHolder
    callback = _callback_wrapper(application.__rsgi__, None)  # type: ignore[no-untyped-call]
    watched = _future_watcher_wrapper(callback)  # type: ignore[no-untyped-call]
    worker = new_worker(
        1,
        (None, new_holder(listening, uds=False, backlog=CONNECTIONS)),
        None,
        backpressure=CONNECTIONS,
        http_mode="1",  # that of reverse proxies
        websockets_enabled=False,
    )
    scheduler = _new_cbscheduler(loop, watched, impl_asyncio=True)  # type: ignore[no-untyped-call]
    worker.serve_str(scheduler, loop, stop)
    when_serving()
    loop.run_until_complete(ended.wait())


def main() -> int:
    """Returns the exit code: 1 if another process was to be replaced and this one is not ready."""
    parser = argparse.ArgumentParser(description="One process of `manage.py serve`, which starts it.")
    parser.add_argument("application", help="module:variable")
    parser.add_argument("--socket", type=int, required=True, help="file descriptor of the bound socket")
    parser.add_argument("--report", type=int, required=True, help="file descriptor for a line when it serves")
    parser.add_argument("--replaces", action="store_true", help="serve only if ready; else exit with 1")
    given = parser.parse_args()
    end_with_parent(signal.SIGINT)
    module, _colon, variable = given.application.partition(":")
    application = getattr(import_module(module), variable)
    log_uncaught()
    tracing.start("serve")
    # Of Granian's messages only errors help an operator.
    logging.getLogger("_granian").setLevel(logging.ERROR)
    seconds: float = import_module("django.conf").settings.DRAIN_SECONDS

    def report(**facts: Any) -> None:
        with os.fdopen(given.report, "w") as line:
            line.write(json.dumps(facts) + "\n")

    if given.replaces:
        problem = import_module("common.health").unreadiness()
        import_module("django.db").connections.close_all()
        if problem:
            report(problem=problem)
            return 1
    application.warm_up()
    serve(
        application,
        given.socket,
        drain_seconds=seconds,
        when_serving=lambda: report(drain_seconds=seconds),
    )
    tracing.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
