"""GET /healthz and /readyz"""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from accounts.models import User
from common.times import wire_time
from reminders import services
from reminders.models import Checkpoint, Round
from tests.commands.conftest import waiting_for
from tests.conftest import Api, make_user
from tests.envelope import assert_refused, data_of
from tests.servers import lost_database
from tests.streams import make_stream

PLACES = ["/healthz", "/readyz"]
TOKEN = "operations-token-of-these-tests-32"
OPERATOR: Any = {"HTTP_AUTHORIZATION": f"Bearer {TOKEN}"}


@pytest.fixture(autouse=True)
def _token_of_operators(settings: Any) -> None:
    settings.OPERATIONS_TOKEN = TOKEN


@pytest.mark.parametrize("place", PLACES)
def test_health_and_readiness_report_success(place: str, client: Client, db: None) -> None:
    assert data_of(client.get(place))["status"] in {"alive", "ready"}
    assert client.head(place).status_code == 200


@pytest.mark.parametrize("place", PLACES)
def test_health_and_readiness_allow_only_get_and_head(place: str, client: Client, db: None) -> None:
    response = client.post(place)

    assert_refused(response, 405, "method_not_allowed")
    assert response.headers["Allow"] == "GET, HEAD"


@pytest.mark.django_db(transaction=True)
def test_while_the_database_is_lost_a_process_is_alive_and_not_ready(client: Client) -> None:
    with lost_database():
        refused = client.get("/readyz", **OPERATOR)
        assert_refused(refused, 503, "service_unavailable", "the database does not answer")
        assert data_of(client.get("/healthz")) == {"status": "alive"}

    assert data_of(client.get("/readyz"))["status"] == "ready"


@pytest.mark.django_db(transaction=True)
def test_no_call_fails_after_a_restart_of_the_database(api: Api) -> None:
    """All open connections are closed, and no thread has used its connection since."""
    caller = api(make_user("creator"))
    data_of(caller.get("/api/v1/users/me"))
    with lost_database():
        pass

    data_of(caller.get("/api/v1/users/me"))


@pytest.mark.django_db(transaction=True)
def test_a_process_is_not_ready_without_a_migration(client: Client) -> None:
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE app = 'sessions' RETURNING name, applied")
        name, applied = cursor.fetchone()
    try:
        reason = "1 migrations are not applied; run manage.py migrate"
        assert_refused(client.get("/readyz", **OPERATOR), 503, "service_unavailable", reason)
    finally:
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO django_migrations (app, name, applied) VALUES ('sessions', %s, %s)", [name, applied]
            )


# --- how late notifications are ----------------------------------------------------------------

MINUTE = timedelta(minutes=1)


def dispatch(client: Client) -> dict[str, Any]:
    members: dict[str, Any] = data_of(client.get("/readyz", **OPERATOR))["dispatch"]
    return members


def test_before_the_first_run_of_the_finder_dispatch_has_no_values(client: Client, db: None) -> None:
    assert dispatch(client) == {
        "working": False, "lagSeconds": None, "foundUntil": None, "oldestDue": None, "oldestOverdueDelivery": None,
    }  # fmt: skip


def test_the_lag_is_the_time_since_the_last_run_of_the_finder_and_does_not_affect_readiness(
    client: Client, creator: User, viewer: User, now: datetime
) -> None:
    asked = now - 120 * MINUTE
    for minute, ago in ((15, 70), (30, 40)):
        stream = make_stream(creator, now=asked, planned_start_at=now + (minute - ago) * MINUTE)
        services.set_reminder(stream.pk, by=viewer, now=asked, minute=minute, language="en")
    Checkpoint.objects.create(found_until=asked)

    response = client.get("/readyz", **OPERATOR)

    reported = data_of(response)["dispatch"]
    assert 7200 <= reported["lagSeconds"] < 7260
    assert reported["foundUntil"] == wire_time(asked)
    assert reported["oldestDue"] == wire_time(now - 70 * MINUTE)


def test_the_oldest_due_also_covers_open_rounds_and_waiting_chunks(
    client: Client, creator: User, viewer: User, now: datetime
) -> None:
    asked = now - 60 * MINUTE
    stream = make_stream(creator, now=asked, planned_start_at=now + 12 * MINUTE)
    services.set_reminder(stream.pk, by=viewer, now=asked, minute=15, language="en")
    Checkpoint.objects.create(found_until=asked)
    due_at = wire_time(now - 3 * MINUTE)

    (round_id,) = services.open_due_rounds(now)
    assert dispatch(client)["oldestDue"] == due_at
    (chunk_id,) = services.cut_round(round_id, now=now)
    assert dispatch(client)["oldestDue"] == due_at
    services.notify_chunk(chunk_id, now=now)
    assert dispatch(client)["oldestDue"] is None
    assert dispatch(client)["lagSeconds"] < 60


@pytest.mark.parametrize("seconds", [1, 60])
def test_a_worker_with_a_recent_heartbeat_counts_as_working(seconds: int, client: Client, db: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO procrastinate_workers (last_heartbeat) VALUES (now() - %s * interval '1 second')", [seconds]
        )
    assert dispatch(client)["working"] is (seconds == 1)


@pytest.mark.django_db(transaction=True)
def test_a_locked_table_does_not_affect_readiness(client: Client) -> None:
    with waiting_for("reminders_round", 0):
        assert data_of(client.get("/readyz", **OPERATOR)) == {"status": "ready", "dispatch": None}
    assert dispatch(client)["working"] is False


@pytest.mark.slow
def test_the_queries_of_dispatch_use_indexes_and_scan_no_table(client: Client, creator: User, now: datetime) -> None:
    """There are 20,000 closed rounds and no open one."""
    stream = make_stream(creator)
    Round.objects.bulk_create(
        Round(
            stream=stream, kind="reminder", minute=15, planned_start_at=now, due_at=now + number * MINUTE,
            good_until=now, state="cut", opened_at=now,
        )
        for number in range(20_000)
    )  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE reminders_round")
        cursor.execute("SELECT pg_stat_force_next_flush()")
        cursor.execute("SELECT seq_scan FROM pg_stat_xact_user_tables WHERE relname = 'reminders_round'")
        before = cursor.fetchone()
        dispatch(client)
        cursor.execute("SELECT seq_scan FROM pg_stat_xact_user_tables WHERE relname = 'reminders_round'")
        assert cursor.fetchone() == before
