"""Reads without a token: their CPU time, and what they do not reveal."""

import os
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from accounts.models import User
from common import health, playground
from edges.services import admit
from livestreams.models import LiveStream, Status
from reminders.channels.email import unsubscribe_address
from reminders.models import Checkpoint, Reminder
from reminders.services import create_calendar_address
from tests.api.operations import Operation, operations
from tests.conftest import make_user
from tests.envelope import assert_refused, data_of
from tests.streams import make_stream

pytestmark = pytest.mark.slow

# The goal is 15 ms of CPU time of this process and PostgreSQL. The limit allows for slow and shared machines.
MOST_MILLISECONDS = 30
STREAMS_OF_THE_BUSY_USER = 3_000
TICK = 1 / os.sysconf("SC_CLK_TCK")

# Addresses that are not operations of the API and so not in the document.
BESIDE_THE_DOCUMENT = [
    "/",
    "/healthz",
    "/readyz",
    "/.well-known/jwks.json",
    "/api/docs/",
    "/api/schema/",
    "/api/schema/?format=json",
    "/api/schema/?format=yaml",
    "/api/v1/nothing",
    "/admin/",
    "/admin/login/?next=/admin/",
    "/static/common/playground.css",
    "/static/nothing",
    "/unsubscribe/nonsense",
    "/calendar/nonsense.ics",
]


def anonymous_reads() -> list[Operation]:
    """The GET operations whose token is optional or unused."""
    return [operation for operation in operations() if operation.method == "GET" and not operation.needs_token]


@pytest.fixture
def busy(db: None) -> User:
    """A creator with thousands of planned, ended and cancelled streams around now."""
    creator, now = make_user("busy"), timezone.now()
    middle = STREAMS_OF_THE_BUSY_USER // 2
    LiveStream.objects.bulk_create(
        stream_at(now + timedelta(minutes=17 * (number - middle) + 1), number, creator, now)
        for number in range(STREAMS_OF_THE_BUSY_USER)
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE livestreams_livestream")
    return creator


def stream_at(planned: datetime, number: int, creator: User, now: datetime) -> LiveStream:
    over = planned < now
    status = (Status.ENDED if over else Status.SCHEDULED) if number % 3 else Status.CANCELLED_BY_HOST
    return LiveStream(
        title=f"Akşam sohbeti {number}",
        title_folded=f"aksam sohbeti {number}",
        channel_name=f"busy-{number}",
        creator=creator,
        status=status,
        motivation="Şarkılar, sohbet; ve konuklar.\n" * 10,
        duration_goal=60,
        planned_start_at=planned,
        started_at=planned if status == Status.ENDED else None,
        ended_at=planned + timedelta(minutes=50) if status == Status.ENDED else None,
        created_at=now - timedelta(days=30),
        updated_at=now,
    )


def cpu_of_postgresql() -> float:
    """CPU seconds of the PostgreSQL backend of this connection."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")  # what a pooler says at the start is not the number of a process
        (process,) = cursor.fetchone()
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * TICK


def milliseconds(call: Callable[[], Any], *, calls: int = 10, rounds: int = 3) -> float:
    """CPU time of this process and PostgreSQL for one call: the minimum of several rounds after a warm-up."""
    call()
    best = float("inf")
    for _ in range(rounds):
        began = time.process_time() + cpu_of_postgresql()
        for _ in range(calls):
            call()
        best = min(best, (time.process_time() + cpu_of_postgresql() - began) / calls * 1000)
    return best


def addresses(operation: Operation, creator: User, stream: LiveStream) -> list[str]:
    path = operation.path.format(id=stream.pk, userId=creator.pk)
    widest = "&".join(
        f"{parameter['name']}={parameter['schema']['maximum']}"
        for parameter in operation.query
        if "maximum" in parameter["schema"] and parameter["name"] != "page"
    )
    return [path, f"{path}?{widest}"] if widest else [path]


@pytest.mark.parametrize("operation", anonymous_reads(), ids=str)
def test_an_anonymous_read_of_much_data_costs_little_cpu_time(operation: Operation, busy: User) -> None:
    client = Client()
    stream = LiveStream.objects.filter(creator=busy, status=Status.SCHEDULED).earliest("planned_start_at")
    for address in addresses(operation, busy, stream):
        assert client.get(address).status_code == 200

        cost = milliseconds(partial(client.get, address))

        print(f"{address.partition('?')[0]:70} {cost:6.1f} ms")  # noqa: T201 - figures, shown with -s
        assert cost < MOST_MILLISECONDS, address


@pytest.mark.parametrize("path", BESIDE_THE_DOCUMENT)
def test_other_anonymous_reads_cost_little_cpu_time(
    path: str, db: None, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "_probe", health._Probe())
    settings.READY_KEPT_SECONDS = 1.0
    settings.WHITENOISE_AUTOREFRESH = False
    client = Client()

    def call() -> None:
        response: Any = client.get(path)
        # Close only the file: closing the response would close the database connection of the test.
        for close in response._resource_closers:
            close()

    cost = milliseconds(call)

    print(f"{path:70} {cost:6.1f} ms")  # noqa: T201
    assert cost < MOST_MILLISECONDS


@pytest.mark.parametrize("reader", ["busy", "viewer"])
def test_the_own_calendar_of_a_user_with_many_streams_or_reminders_costs_little_cpu_time(
    reader: str, busy: User, viewer: User
) -> None:
    now, user = timezone.now(), {"busy": busy, "viewer": viewer}[reader]
    Reminder.objects.bulk_create(
        Reminder(stream=stream, user=user, minute=15, language="en", created_at=now, updated_at=now)
        for stream in LiveStream.objects.filter(creator=busy)
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE reminders_reminder")
    client, path = Client(), f"/calendar/{create_calendar_address(by=user, now=now).secret}.ics"
    answer = client.get(path)
    assert answer.content.count(b"BEGIN:VEVENT") == 200
    known = {"If-None-Match": answer.headers["ETag"]}
    assert client.get(path, headers=known).status_code == 304

    for headers in ({}, known):
        cost = milliseconds(partial(client.get, path, headers=headers))
        print(f"the own calendar of {reader} {cost:6.1f} ms")  # noqa: T201
        assert cost < MOST_MILLISECONDS


def test_the_page_of_an_unsubscribe_link_costs_little_cpu_time(creator: User) -> None:
    client, path = Client(), urlsplit(unsubscribe_address(creator.pk)).path

    assert milliseconds(lambda: client.get(path)) < MOST_MILLISECONDS


def test_every_address_that_needs_no_token_is_measured() -> None:
    """A new anonymous operation is measured automatically. The number shows that operations are found."""
    assert {str(operation) for operation in anonymous_reads()} >= {
        "listLiveStreamUpcomingV1",
        "getLiveStreamUserByUseridUpcomingLiveStreamsV1",
        "getLiveStreamUserByUseridUpcomingLiveStreamsV2",
        "getLiveStreamUserByUseridPastStreamsV1",
        "getLiveStreamByIdCalendarIcsV1",
        "getLiveStreamUserByUseridCalendarIcsV1",
    }


# --- the document ---------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["json", "yaml"])
def test_the_document_is_generated_once_and_then_cached(
    kind: str, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = client.get(f"/api/schema/?format={kind}")

    def fail(*args: Any, **kwargs: Any) -> None:
        raise AssertionError("written again")

    monkeypatch.setattr(playground, "document", fail)
    again = client.get(f"/api/schema/?format={kind}")
    unchanged = client.get(f"/api/schema/?format={kind}", HTTP_IF_NONE_MATCH=again.headers["ETag"])

    assert first.status_code == again.status_code == 200
    assert first.content == again.content
    assert (unchanged.status_code, unchanged.content) == (304, b"")


def test_the_yaml_and_json_documents_have_different_entity_tags(client: Client) -> None:
    as_json, as_yaml = (client.get(f"/api/schema/?format={kind}") for kind in ("json", "yaml"))

    assert as_json.headers["ETag"] != as_yaml.headers["ETag"]
    assert client.get("/api/schema/?format=json", HTTP_IF_NONE_MATCH=as_yaml.headers["ETag"]).status_code == 200


# --- calendars ------------------------------------------------------------------------------------


def test_a_long_feed_has_the_200_nearest_events_and_a_304_generates_none(
    busy: User, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = f"/api/v1/live-stream/user/{busy.pk}/calendar.ics"
    fed = client.get(path)
    assert fed.content.count(b"BEGIN:VEVENT") == 200

    monkeypatch.setattr("reminders.views.calendars.feed_of", lambda *_: pytest.fail("written"))
    unchanged = client.get(path, HTTP_IF_NONE_MATCH=fed.headers["ETag"])

    assert (unchanged.status_code, unchanged.content) == (304, b"")


# --- readiness ------------------------------------------------------------------------------------

TOKEN = "operations-token-of-these-tests-32"


def test_without_the_operations_token_readiness_has_no_reasons(client: Client, db: None, settings: Any) -> None:
    settings.OPERATIONS_TOKEN = TOKEN
    Checkpoint.objects.create(found_until=timezone.now())

    for headers in ({}, bearer("x" * len(TOKEN)), bearer(""), {"HTTP_AUTHORIZATION": TOKEN}):
        assert data_of(client.get("/readyz", **headers)) == {"status": "ready"}
    assert set(data_of(client.get("/readyz", **bearer(TOKEN)))) == {"status", "dispatch"}


def test_without_the_setting_no_token_gives_reasons(client: Client, db: None, settings: Any) -> None:
    settings.OPERATIONS_TOKEN = ""

    for token in ("", " ", "None"):
        assert data_of(client.get("/readyz", **bearer(token))) == {"status": "ready"}


def test_the_reason_for_unreadiness_is_for_operators(
    client: Client, db: None, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.OPERATIONS_TOKEN = TOKEN
    monkeypatch.setattr(health, "_applied_migrations", set)
    reason = f"{len(health._known_migrations())} migrations are not applied; run manage.py migrate"
    hidden = "a part of the service does not answer; try again shortly"

    assert_refused(client.get("/readyz", **bearer(TOKEN)), 503, "service_unavailable", reason)
    assert_refused(client.get("/readyz"), 503, "service_unavailable", hidden)
    in_turkish = client.get("/readyz", HTTP_X_LANGUAGE="tr").json()["errors"]
    assert in_turkish[0] == "Service unavailable"
    assert in_turkish[1] not in {hidden, reason}


def test_many_calls_query_the_database_once(
    client: Client, db: None, settings: Any, monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: Any
) -> None:
    monkeypatch.setattr(health, "_probe", health._Probe())
    settings.READY_KEPT_SECONDS = 60.0
    client.get("/readyz")

    with django_assert_num_queries(0):
        for _ in range(50):
            assert client.get("/readyz").status_code == 200


def test_it_becomes_ready_once_the_missing_migrations_are_applied(
    client: Client, db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    applied = health._applied_migrations()
    for recorded, status in ((set(), 503), (applied - {("sessions", "0001_initial")}, 503), (applied, 200)):
        monkeypatch.setattr(health, "_applied_migrations", lambda recorded=recorded: recorded)
        assert client.get("/readyz").status_code == status


def bearer(token: str) -> dict[str, Any]:
    return {"HTTP_AUTHORIZATION": f"Bearer {token}"}


# --- keys -----------------------------------------------------------------------------------------


def test_the_first_join_key_is_published_at_once(client: Client, creator: User) -> None:
    """The key set is not cached: a client that receives a token of a new key finds the key."""
    assert client.get("/.well-known/jwks.json").json()["keys"] == []

    stream = make_stream(creator, Status.ACTIVE)
    admit(creator, stream.pk, status="active", role="host", restriction=None, now=timezone.now())

    assert len(client.get("/.well-known/jwks.json").json()["keys"]) == 1
