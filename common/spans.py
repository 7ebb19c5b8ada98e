"""Spans in OpenTelemetry's data model, named by its semantic conventions, and exported over OTLP/HTTP."""

import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import psycopg
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Link, Span, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from common.addresses import is_trusted_peer

LONGEST_STATEMENT = 2_000  # characters
SECONDS_TO_STOP = 2.0
PARENT = "traceparent"

_propagator = TraceContextTextMapPropagator()


class Spans:
    def __init__(self, service: str, program: str) -> None:
        instance = f"{program}-{os.getpid()}"
        facts = Resource({"service.name": service, "service.instance.id": instance, "process.pid": os.getpid()})
        # `stop` ends it in limited time. At the exit of the process the SDK would wait longer.
        self._provider = TracerProvider(resource=Resource.create().merge(facts), shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer(__name__)

    def stop(self) -> None:
        # The collector may not answer, and the SDK waits for half a minute.
        stopping = threading.Thread(target=self._provider.shutdown, daemon=True)
        stopping.start()
        stopping.join(SECONDS_TO_STOP)

    @staticmethod
    def inside(span: Span) -> AbstractContextManager[Any]:
        # Messages of exceptions may have secrets.
        return trace.use_span(span, end_on_exit=False, record_exception=False, set_status_on_exception=False)

    # --- requests ---------------------------------------------------------------------------------

    def of_request(self, environ: Mapping[str, Any]) -> Span:
        parent = Context()
        # Of no other peer: anybody could have all their requests traced, or add spans to the traces of others.
        if (sent := environ.get("HTTP_TRACEPARENT")) and is_trusted_peer(environ):
            parent = _propagator.extract({PARENT: sent}, context=parent)
        return self._tracer.start_span("HTTP", context=parent, kind=SpanKind.SERVER)

    @staticmethod
    def end_request(span: Span, facts: Mapping[str, Any]) -> None:
        method, route, status = facts["method"], facts["route"], facts["status"]
        span.update_name(f"{method} {route}")
        attributes = {
            "http.request.method": method if method != "other" else "_OTHER",
            "http.route": route,
            "http.response.status_code": status,
            "error.type": facts["code"],
            "user.id": facts["user_id"],
            "request.id": facts["request_id"],
        }
        span.set_attributes({name: value for name, value in attributes.items() if value is not None})
        if status >= 500:
            span.set_status(Status(StatusCode.ERROR))
        span.end()

    # --- jobs -------------------------------------------------------------------------------------

    @staticmethod
    def cause(name: str) -> dict[str, str]:
        carrier: dict[str, str] = {}
        _propagator.inject(carrier)
        return {name: carrier[PARENT]} if PARENT in carrier else {}

    @contextmanager
    def of_job(self, job: Any, cause: str | None) -> Iterator[None]:
        context = trace.get_current_span(_propagator.extract({PARENT: cause or ""}, context=Context()))
        links = [Link(context.get_span_context())] if context.get_span_context().is_valid else []
        attributes = {
            "messaging.system": "procrastinate",
            "messaging.destination.name": job.queue,
            "messaging.message.id": str(job.id),
            "messaging.operation.type": "process",
            "job.attempt": job.attempts + 1,
        }
        span = self._tracer.start_span(
            job.task_name, context=Context(), kind=SpanKind.CONSUMER, links=links, attributes=attributes
        )
        with self._ended(span):
            yield

    # --- others -----------------------------------------------------------------------------------

    def statement(
        self, execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: Mapping[str, Any]
    ) -> Any:
        """For `execute_wrappers` of a connection: a span for each statement of a request or job, without its values."""
        if not trace.get_current_span().is_recording():
            return execute(sql, params, many, context)
        text = str(sql)
        words = text.split(None, 1)
        operation = words[0].upper() if words else ""
        attributes = {
            "db.system.name": "postgresql",
            "db.operation.name": operation,
            "db.query.text": text[:LONGEST_STATEMENT],
        }
        span = self._tracer.start_span(operation, kind=SpanKind.CLIENT, attributes=attributes)
        with self._ended(span):
            return execute(sql, params, many, context)

    @contextmanager
    def call(self, name: str, attributes: Mapping[str, Any]) -> Iterator[Callable[[int], None]]:
        span = self._tracer.start_span(name, kind=SpanKind.CLIENT, attributes=dict(attributes))

        def answered(status: int) -> None:
            span.set_attribute("http.response.status_code", status)
            if status >= 400:
                span.set_status(Status(StatusCode.ERROR))

        with self._ended(span):
            yield answered

    @contextmanager
    def _ended(self, span: Span) -> Iterator[None]:
        """Make it the current span of the block, and end it with the kind of the error, if there is one."""
        try:
            with self.inside(span):
                yield
        except BaseException as error:
            span.set_attribute("error.type", _kind_of(error))
            span.set_status(Status(StatusCode.ERROR))
            raise
        finally:
            span.end()


def _kind_of(error: BaseException) -> str:
    """The code of PostgreSQL, or the name of the class."""
    database = error if isinstance(error, psycopg.Error) else error.__cause__
    if isinstance(database, psycopg.Error) and database.sqlstate:
        return database.sqlstate
    return type(error).__qualname__
