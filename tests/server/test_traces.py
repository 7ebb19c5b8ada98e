"""Traces of real servers and workers, as a collector gets them over HTTP."""

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest
from django.conf import settings
from django.db import connection

from accounts.models import User
from common.jobs import defer
from reminders.models import Delivery
from tests.collector import Collector, collecting
from tests.conftest import PASSWORD, make_user, token_of
from tests.forking import manage
from tests.patience import PATIENCE
from tests.reminders.asking import remind
from tests.reminders.processes import posting_to, running_workers
from tests.reminders.receiver import answering, receiving
from tests.servers import Server, lost_database, running_server, with_database_url
from tests.streams import make_stream

UPCOMING = "/api/v1/live-stream/upcoming"
LOGIN = "/api/v1/auth/login"
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SENT = f"00-{TRACE}-{PARENT}-01"


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with collecting() as running:
        yield running


@pytest.fixture(scope="module")
def server(database_of_tests: str, collector: Collector) -> Iterator[Server]:
    proxied = collector.environment | {"TRUSTED_PROXIES": "127.0.0.1"}
    with running_server(workers=1, database=database_of_tests, **proxied) as running:
        yield running


@pytest.fixture(autouse=True)
def viewer(transactional_db: None) -> User:
    return make_user("viewer")


def test_a_request_is_a_span_with_its_route_and_its_statements(
    server: Server, collector: Collector, viewer: User
) -> None:
    server.call("GET", f"{UPCOMING}?limit=3", token=token_of(viewer), X_Request_ID="traced-1")
    span = collector.wait_for(request_id="traced-1")
    assert (span.name, span.kind, span.parent, span.is_error) == (f"GET {UPCOMING}", "server", "", False)
    assert span.attributes == {
        "http.request.method": "GET",
        "http.route": UPCOMING,
        "http.response.status_code": 200,
        "user.id": viewer.pk,
        "request.id": "traced-1",
    }
    assert span.resource["service.name"] == "kumanda"
    assert span.resource["service.instance.id"] == f"serve-{span.resource['process.pid']}"
    statements = collector.children_of(span)
    assert [each.kind for each in statements] == ["client"] * len(statements)
    assert any("accounts_user" in each.attributes["db.query.text"] for each in statements)
    assert {each.attributes["db.system.name"] for each in statements} == {"postgresql"}


def test_a_refused_request_has_its_code_and_only_failures_of_the_service_are_errors(
    server: Server, collector: Collector
) -> None:
    server.call("GET", "/api/v1/users/me", X_Request_ID="refused")
    refused = collector.wait_for(request_id="refused")
    assert (refused.attributes["error.type"], refused.is_error) == ("authentication_required", False)
    with lost_database():
        server.call("GET", UPCOMING, X_Request_ID="failed")
        failed = collector.wait_for(request_id="failed")
    connection.close()  # the server has closed that of the test too
    assert (failed.attributes["error.type"], failed.is_error) == ("service_unavailable", True)


def test_the_trace_of_a_trusted_proxy_is_continued(server: Server, collector: Collector) -> None:
    server.call("GET", UPCOMING, X_Request_ID="continued", traceparent=SENT)
    span = collector.wait_for(request_id="continued")
    assert (span.trace, span.parent) == (TRACE, PARENT)


def test_health_checks_have_no_span(server: Server, collector: Collector) -> None:
    for path in ("/healthz", "/readyz"):
        server.call("GET", path, X_Request_ID="health")
    server.call("GET", UPCOMING, X_Request_ID="after-health")
    collector.wait_for(request_id="after-health")
    assert "health" not in {span.attributes.get("request.id") for span in collector.spans}


def test_no_span_has_a_value_that_a_client_sent(server: Server, collector: Collector, viewer: User) -> None:
    token = token_of(viewer)
    server.call("POST", LOGIN, body={"username": "viewer", "password": PASSWORD}, X_Request_ID="login")
    server.call("GET", f"{UPCOMING}?search=s3cret-search", token=token, X_Request_ID="search")
    server.call("GET", "/calendar/s3cret-path.ics", X_Request_ID="calendar")
    server.call("GET", "/s3cret-nothing", token="s3cret-token", X_Request_ID="nothing")
    server.send("S3CRET", UPCOMING, None, {"X-Request-ID": "method", "X-S3cret": "s3cret-header"})
    for request_id in ("login", "search", "calendar", "nothing", "method"):
        collector.wait_for(request_id=request_id)
    exported = b"".join(collector.requests)
    assert b"INSERT" in exported
    for secret in (b"s3cret", b"S3CRET", PASSWORD.encode(), token.encode(), b"viewer"):
        assert secret not in exported


def test_a_job_is_a_trace_of_its_own_linked_to_the_request_that_caused_it(
    server: Server, collector: Collector, viewer: User
) -> None:
    creator = make_user("creator")
    stream = make_stream(creator)
    remind(viewer, stream, minute=None)
    answer = server.call(
        "POST", f"/api/v1/live-stream/{stream.pk}/start", token=token_of(creator), X_Request_ID="starting"
    )
    assert answer.status == 200
    request = collector.wait_for(request_id="starting")
    with (
        receiving(answering(503)) as gateway,
        running_workers(environment=posting_to(gateway) | collector.environment),
    ):
        cut = collector.wait_for(name="reminders.tasks.cut_rounds", links=[(request.trace, request.id)])
        deliver = collector.wait_for(name="reminders.tasks.deliver")
        call = collector.wait_for(name="POST", parent=deliver.id)
    assert (cut.kind, cut.parent) == ("consumer", "")
    assert cut.trace != request.trace
    assert cut.attributes["messaging.destination.name"] == "notifying"
    assert any("reminders_round" in each.attributes.get("db.query.text", "") for each in collector.children_of(cut))
    assert deliver.links, "it was deferred by another job"
    assert call.attributes["http.response.status_code"] == 503
    assert call.is_error
    assert call.attributes["server.address"] == "127.0.0.1"
    assert Delivery.objects.get().last_error == "the receiver answered 503"


def test_a_failed_job_has_the_kind_of_its_error_and_not_its_message(collector: Collector) -> None:
    defer("reminders.tasks.notify_chunks", argument="s3cret-name")
    with running_workers(environment=collector.environment):
        failed = collector.wait_for(name="reminders.tasks.notify_chunks", is_error=True)
    assert failed.attributes["error.type"] == "TypeError"
    assert b"s3cret-name" not in b"".join(collector.requests)


def test_processes_stop_although_the_collector_does_not_answer() -> None:
    """It accepts the connection and is silent."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        chosen = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{silent.getsockname()[1]}"}
        with running_server(workers=1, **chosen) as server:
            assert server.call("GET", UPCOMING).status == 200
            server.signal(signal.SIGTERM)
            assert server.ended() == 0
        with running_workers(environment=chosen) as (worker,):
            worker.send_signal(signal.SIGTERM)
            assert worker.wait(timeout=PATIENCE) == 0


def test_without_an_address_nothing_of_opentelemetry_is_imported() -> None:
    program = (
        "import sys, config.rsgi; from common import tracing; from common.jobs import worker; tracing.start('x');"
        "sys.exit(any(name.startswith('opentelemetry') for name in sys.modules))"
    )
    environment = {name: value for name, value in with_database_url().items() if not name.startswith("OTEL_")}
    done = subprocess.run([sys.executable, "-c", program], cwd=settings.BASE_DIR, env=environment, check=False)
    assert done.returncode == 0


@pytest.mark.parametrize("address", ["localhost:4318", "grpc://localhost:4317", "http://", "http://h:99999"])
def test_an_address_that_is_none_is_refused_at_the_start(address: str) -> None:
    done = subprocess.run(
        manage("check"),
        cwd=settings.BASE_DIR,
        env=with_database_url() | {"OTEL_EXPORTER_OTLP_ENDPOINT": address},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("OTEL_EXPORTER_OTLP_ENDPOINT must be")


def test_an_address_without_the_packages_that_export_is_refused() -> None:
    program = (
        "import importlib.metadata as found\n"
        "def version(name): raise found.PackageNotFoundError(name)\n"
        "found.version = version\n"
        "import config.tracing"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=settings.BASE_DIR,
        env=with_database_url() | {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:4318"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "ImproperlyConfigured: OTEL_EXPORTER_OTLP_ENDPOINT is set: install" in done.stderr
