"""What real workers log: their start and stop, failed jobs and failed deliveries, each with its identifiers."""

import signal
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import User
from livestreams import services as streams
from reminders.models import Delivery
from tests.conftest import make_user
from tests.jobs import store_job
from tests.patience import PATIENCE, wait_until
from tests.reminders.asking import remind
from tests.reminders.processes import posting_to, running_workers
from tests.reminders.receiver import answering, receiving
from tests.server.logs import Logged
from tests.streams import make_stream

INFO = {"LOG_LEVEL": "INFO"}

pytestmark = pytest.mark.django_db(transaction=True)


def test_start_and_stop_are_logged(capfd: pytest.CaptureFixture[str]) -> None:
    logged = Logged(capfd)
    with running_workers(environment=INFO) as (worker,):
        (started,) = logged.wait_for("the worker has started")
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(timeout=PATIENCE) == 0
    assert (started["pid"], started["queues"]) == (worker.pid, {"notifying": 2, "delivering": 8})
    assert [line["pid"] for line in logged.wait_for("the worker stops")] == [worker.pid]
    assert [line["pid"] for line in logged.wait_for("the worker has stopped")] == [worker.pid]


def failures(logged: Logged) -> dict[int, dict[str, Any]]:
    """The first line of each job: a slow test sees more attempts."""
    return {line["job_id"]: line for line in reversed(logged.lines("a job failed"))}


def test_a_failed_job_is_logged_with_its_identifiers_and_without_its_arguments(
    capfd: pytest.CaptureFixture[str],
) -> None:
    logged = Logged(capfd)
    unknown = store_job("todo", "no.such.task", argument="s3cret-1")
    wrong = store_job("todo", "reminders.tasks.cut_rounds", argument="s3cret-2")
    again = store_job("todo", "common.tasks.remove_files", queue="delivering", names="../s3cret-3")
    with running_workers(environment=INFO):
        wait_until(lambda: len(failures(logged)) == 3)
        failed = failures(logged)
    facts = {number: (line["task"], line["queue"], line["event"]) for number, line in failed.items()}
    assert facts == {
        unknown: ("no.such.task", "notifying", "a job failed"),
        wrong: ("reminders.tasks.cut_rounds", "notifying", "a job failed and is tried again"),
        again: ("common.tasks.remove_files", "delivering", "a job failed and is tried again"),
    }
    assert (failed[again]["attempt"], failed[wrong]["request_id"]) == (1, f"job-{wrong}")
    assert failed[again]["retry_at"].endswith("Z")
    assert "TypeError" in failed[wrong]["exception"]
    assert "s3cret" not in logged.text


def test_a_failed_delivery_is_logged_with_its_identifiers(creator: User, capfd: pytest.CaptureFixture[str]) -> None:
    logged = Logged(capfd)
    stream = make_stream(creator)
    remind(make_user("viewer"), stream, minute=None)
    with (
        receiving(answering(503)) as gateway,
        running_workers(environment=posting_to(gateway) | INFO),
    ):
        streams.start_stream(stream.pk, by=creator, now=timezone.now())
        (line, *_) = logged.wait_for("a delivery failed")
    delivery = Delivery.objects.get()
    assert line["event"] == "a delivery failed and is tried again"
    assert (line["delivery_id"], line["channel"], line["attempt"]) == (delivery.pk, "webhook", 1)
    assert (line["recipients"], line["reason"]) == (1, "the receiver answered 503")
    assert line["next_attempt_at"] > line["timestamp"]
    assert line["request_id"].startswith("job-")
