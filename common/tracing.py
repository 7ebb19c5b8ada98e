"""Traces: spans of requests, jobs, statements and calls of other services, if `settings.TRACES` says so.

OpenTelemetry is imported by `start` only. Without it, each function here returns after one comparison. No span has a
value of a statement, a path, a query, a header or a message of an error: see docs/logs.md.
"""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from django.conf import settings

from common.postgres.base import DatabaseWrapper

if TYPE_CHECKING:
    from common.spans import Spans

SPAN = "tracing.span"  # in the environ of a request
# The argument of a job that has the span by which it was deferred. The worker takes it away.
CAUSE = "_cause"

_spans: "Spans | None" = None


def start(program: str) -> None:
    """Export spans from now on. `program` is the kind of this process: an attribute of all its spans."""
    global _spans  # noqa: PLW0603 - one for the process
    if settings.TRACES and _spans is None:
        from common.spans import Spans  # noqa: PLC0415 - see above

        _spans = Spans(settings.TRACES_SERVICE_NAME, program)
        DatabaseWrapper.statement_wrappers.append(_spans.statement)


def stop() -> None:
    """Export what is left, in limited time."""
    global _spans  # noqa: PLW0603
    if _spans is not None:
        DatabaseWrapper.statement_wrappers.clear()
        _spans.stop()
        _spans = None


# --- requests -------------------------------------------------------------------------------------


def begin_request(environ: dict[str, Any]) -> None:
    if _spans is not None:
        environ[SPAN] = _spans.of_request(environ)


def in_request(environ: Mapping[str, Any]) -> AbstractContextManager[Any]:
    """Spans that begin in the block, in this thread, are parts of the request."""
    if _spans is None or (span := environ.get(SPAN)) is None:
        return nullcontext()
    return _spans.inside(span)


def end_request(environ: Mapping[str, Any], facts: Mapping[str, Any]) -> None:
    """`facts` are the fields of the access log."""
    if _spans is not None and (span := environ.get(SPAN)) is not None:
        _spans.end_request(span, facts)


# --- jobs -----------------------------------------------------------------------------------------


def cause() -> dict[str, str]:
    """The argument for a job that is deferred now."""
    return {} if _spans is None else _spans.cause(CAUSE)


@contextmanager
def job(job: Any) -> Iterator[None]:
    """The span of a run of this job of Procrastinate, linked to the span that deferred it."""
    cause = job.task_kwargs.pop(CAUSE, None)
    if _spans is None:
        yield
    else:
        with _spans.of_job(job, cause):
            yield


# --- others ---------------------------------------------------------------------------------------


def call(name: str, **attributes: Any) -> AbstractContextManager[Any]:
    """The span of a call of another service. Yields a function that takes the status of the answer."""
    if _spans is None:
        return nullcontext(lambda status: None)
    return _spans.call(name, attributes)
