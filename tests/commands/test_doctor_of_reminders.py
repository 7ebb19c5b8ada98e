"""manage.py doctor: problems of reminders and deliveries are reported with their remedy."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from accounts.models import User
from common.doctor import Finding, examine
from livestreams.models import LiveStream
from reminders import services
from reminders.models import Checkpoint, Chunk, Delivery, Round
from tests.admin.notifying import WEBHOOK, notify_of_start
from tests.commands.conftest import Run
from tests.commands.test_doctor import GOOD_KEY, found_by
from tests.conftest import make_user
from tests.patience import wait_until
from tests.reminders.processes import running_workers
from tests.streams import make_stream

MINUTE = timedelta(minutes=1)
State = Delivery.State


@pytest.fixture(autouse=True)
def healthy(settings: Any, db: None, tmp_path: Any) -> Any:
    settings.SECRET_KEY, settings.JWT_SIGNING_KEY = GOOD_KEY, GOOD_KEY[::-1]
    settings.DEBUG = False
    settings.MEDIA_ROOT = tmp_path
    assert found() == {}
    return settings


def found() -> dict[str, Finding]:
    return {finding.code: finding for finding in examine()}


def store_heartbeat() -> None:
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO procrastinate_workers DEFAULT VALUES")
    Checkpoint.objects.update_or_create(defaults={"found_until": timezone.now()})


def awaited(creator: User, viewer: User, now: datetime, *, ago: timedelta) -> LiveStream:
    """A stream with a reminder that came due `ago`."""
    asked = now - 120 * MINUTE
    stream = make_stream(creator, now=asked, planned_start_at=now + 15 * MINUTE - ago)
    services.set_reminder(stream.pk, by=viewer, now=asked, minute=15, language="en")
    return stream


@pytest.fixture
def delivery(creator: User, viewer: User) -> Delivery:
    delivery = notify_of_start(make_stream(creator), [viewer])
    store_heartbeat()
    return delivery


def change(delivery: Delivery, **fields: Any) -> None:
    Delivery.objects.filter(pk=delivery.pk).update(**fields)


def test_reminders_without_a_worker_are_an_error(creator: User, viewer: User, now: datetime) -> None:
    awaited(creator, viewer, now, ago=-MINUTE)
    assert set(found()) == {"no_worker"}
    assert "manage.py worker" in found()["no_worker"].remedy

    store_heartbeat()
    assert found() == {}


@pytest.mark.parametrize(("seconds", "codes"), [(20, set()), (40, {"dispatch_lagging"})])
def test_a_finder_that_lags_is_reported(seconds: int, codes: set[str], now: datetime, db: None) -> None:
    store_heartbeat()
    Checkpoint.objects.update(found_until=timezone.now() - timedelta(seconds=seconds))
    assert set(found()) == codes


def test_an_open_round_that_is_not_cut_is_reported(creator: User, viewer: User, now: datetime) -> None:
    stream = awaited(creator, viewer, now, ago=MINUTE)
    services.open_due_rounds_of_stream(stream.pk, now)
    store_heartbeat()

    assert set(found()) == {"dispatch_lagging"}
    assert "dispatch_reminders" in found()["dispatch_lagging"].remedy


def test_a_delivery_that_is_overdue_is_reported(delivery: Delivery) -> None:
    assert found() == {}
    change(delivery, next_attempt_at=timezone.now() - 6 * MINUTE)
    assert set(found()) == {"deliveries_late"}


def test_a_failing_delivery_is_reported_with_its_error(delivery: Delivery) -> None:
    change(
        delivery, attempts=1, last_error="the receiver answered 500", attempted_at=timezone.now(),
        next_attempt_at=timezone.now() + MINUTE,
    )  # fmt: skip
    assert set(found()) == {"deliveries_failing"}
    assert "1, the last one by webhook: the receiver answered 500" in found()["deliveries_failing"].meaning


@pytest.mark.parametrize(
    ("state", "code"), [(State.FAILED, "deliveries_given_up"), (State.STOPPED, "deliveries_stopped")]
)
def test_a_failed_or_stopped_delivery_is_reported_for_a_day(state: str, code: str, delivery: Delivery) -> None:
    change(delivery, state=state, closed_at=timezone.now(), next_attempt_at=None, last_error="no more")
    assert set(found()) == {code}
    assert f"deliveries retry --state {state}" in found()[code].remedy

    change(delivery, closed_at=timezone.now() - timedelta(hours=25))
    assert found() == {}


def test_missed_reminders_are_reported_for_a_day(creator: User, viewer: User, now: datetime) -> None:
    stream = awaited(creator, viewer, now, ago=11 * MINUTE)
    (round_id,) = services.open_due_rounds_of_stream(stream.pk, now)
    services.cut_round(round_id, now=now)
    store_heartbeat()

    assert set(found()) == {"reminders_missed"}
    assert "1 reminders were missed" in found()["reminders_missed"].meaning

    Round.objects.update(opened_at=now - timedelta(hours=25))
    assert found() == {}


def test_missed_reminders_of_chunks_are_reported(creator: User, viewer: User, now: datetime) -> None:
    stream = awaited(creator, viewer, now, ago=9 * MINUTE)
    (round_id,) = services.open_due_rounds_of_stream(stream.pk, now)
    (chunk_id,) = services.cut_round(round_id, now=now)
    services.notify_chunk(chunk_id, now=now + 2 * MINUTE)
    store_heartbeat()

    assert Chunk.objects.get().missed == 1
    assert "1 reminders were missed" in found()["reminders_missed"].meaning


@pytest.mark.parametrize(
    ("url", "codes"),
    [
        ("https://127.0.0.1/notices", {"webhook_misconfigured"}),
        ("https://10.1.2.3/notices", {"webhook_misconfigured"}),
        ("https://no-such-host.invalid/notices", {"webhook_misconfigured"}),
        ("https://192.0.1.1/notices", set()),
    ],
)
def test_a_webhook_url_that_does_not_resolve_or_is_private_is_reported(url: str, codes: set[str], healthy: Any) -> None:
    healthy.NOTIFICATION_CHANNELS, healthy.WEBHOOK_URL = WEBHOOK, url
    assert set(found()) == codes


def test_an_allowed_private_webhook_url_is_healthy(healthy: Any) -> None:
    healthy.NOTIFICATION_CHANNELS, healthy.WEBHOOK_URL = WEBHOOK, "http://127.0.0.1/notices"
    healthy.WEBHOOK_ALLOW_PRIVATE = True
    assert found() == {}


@pytest.mark.django_db(transaction=True)
def test_the_command_reports_a_missing_worker_until_one_runs(run: Run, place: dict[str, str], now: datetime) -> None:
    awaited(make_user("creator"), make_user("viewer"), now, ago=-10 * MINUTE)
    assert set(found_by(run)) == {"no_worker"}
    keys = {name: place[name] for name in ("SECRET_KEY", "JWT_SIGNING_KEY")}  # doctor compares those of all processes
    with running_workers(environment=keys):
        wait_until(lambda: bool(services.found_until()))
        assert found_by(run) == {}
