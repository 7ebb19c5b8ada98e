"""Counts and times of the answers of a server process, by the template of the address, never by the address."""

import re
from bisect import bisect_left
from collections.abc import Sequence
from functools import lru_cache
from time import perf_counter
from typing import Any, NamedTuple

from common.metrics import Counter, Gauge, Histogram, cells
from common.metrics.cells import Cell, cell_of
from common.server.threads import RequestThreads

# In the environ of a request.
BEGAN = "server.began"  # on the clock of `perf_counter`
COUNTED = "server.counted"  # present as soon as its answer is counted
ROUTE = "server.route"  # as Django writes it; missing for what no route matches
UNMATCHED = "unmatched"
HEALTH, READINESS = "/healthz", "/readyz"
HEALTH_ROUTES = frozenset([HEALTH, READINESS])
CLIENT_GONE = 499  # what nginx writes for a client that left before the end of its request
METHODS = frozenset(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])  # clients choose others freely
# A part of a route that stands for a value, as Django writes it in paths and in regular expressions.
_VARIABLE = re.compile(r"<(?:\w+:)?(\w+)>|\(\?P<(\w+)>[^)]*\)")

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)  # and one for all longer ones
REQUESTS = Counter("http_requests_total", "Answers", ["route", "method", "status"])
SECONDS = Histogram(
    "http_request_seconds",
    "From the head of a request to its answer",
    ["route", "method"],
    buckets=BUCKETS,
)
DATABASE_CALLS = Counter(
    "http_request_database_calls_total", "Statements and commits for which requests waited", ["route"]
)
THREADS = Gauge("request_threads", "Threads that handle a request (busy), and others that are started", ["state"])
MOST_THREADS = Gauge("request_threads_limit", "Threads that may be started")
WAITING = Gauge("requests_waiting", "Requests that wait for a thread")


class _Series(NamedTuple):
    requests: Cell
    seconds: Cell  # their sum
    buckets: Sequence[Cell]
    database_calls: Cell


# Looking up series by their labels would take longer than changing them.
_series: dict[tuple[str, str, int], _Series] = {}


def watch(threads: RequestThreads) -> None:
    """Let gauges read these threads."""
    THREADS.read = threads.threads
    MOST_THREADS.read = lambda: threads.limit
    WAITING.read = lambda: threads.waiting


def begin(environ: dict[str, Any]) -> None:
    """A request has arrived."""
    environ[BEGAN] = perf_counter()


def seconds_of(environ: dict[str, Any]) -> float:
    """How long ago the request has arrived."""
    began: float = environ[BEGAN]
    return perf_counter() - began


def record(environ: dict[str, Any], status: int, *, database_calls: int = 0) -> None:
    """Count the answer to a request, just before it is sent: a process that is killed then has not lost it."""
    if not REQUESTS.is_enabled or COUNTED in environ:
        return
    environ[COUNTED] = True
    key = (environ.get(ROUTE, UNMATCHED), method_of(environ), status)
    found = _series.get(key) or _found(*key)
    seconds = seconds_of(environ)
    with cells.lock:
        found.requests.add(1)
        found.seconds.add(seconds)
        found.buckets[bisect_left(BUCKETS, seconds)].add(1)
        if database_calls:
            found.database_calls.add(database_calls)


def _found(route: str, method: str, status: int) -> _Series:
    name = template_of(route)
    seconds = SECONDS.series(name, method)
    found = _series[route, method, status] = _Series(
        cell_of(REQUESTS.series(name, method, str(status))._value),
        cell_of(seconds._sum),
        [cell_of(bucket) for bucket in seconds._buckets],
        cell_of(DATABASE_CALLS.series(name)._value),
    )
    return found


def method_of(environ: dict[str, Any]) -> str:
    method: str = environ["REQUEST_METHOD"]
    return method if method in METHODS else "other"


def route_of(environ: dict[str, Any]) -> str:
    """The template of the address, once the answer is made."""
    return template_of(environ.get(ROUTE, UNMATCHED))


@lru_cache(maxsize=1024)
def template_of(route: str) -> str:
    """The route as the API document writes it: `/things/{id}`."""
    if route == UNMATCHED:
        return route
    return "/" + _VARIABLE.sub(r"{\1\2}", route).strip("^$").removeprefix("/")
