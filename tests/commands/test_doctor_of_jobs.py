"""manage.py doctor: jobs that failed are reported until their work is done."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import connection
from procrastinate.contrib.django import app
from procrastinate.contrib.django.models import ProcrastinateJob

from accounts.models import User
from common.doctor import Finding
from common.jobs import doctor, settled
from common.storage import StorageUnavailable
from common.storage.local import LocalStorage
from common.tasks import forget_settled_jobs
from reminders import services
from reminders.models import Delivery, Notification
from tests.commands.conftest import Run
from tests.commands.test_doctor import found_by
from tests.jobs import forget_jobs, store_job
from tests.patience import wait_until
from tests.reminders.processes import running_workers
from tests.streams import make_stream

FINDER = "reminders.tasks.find_due_lead_times"
NIGHTLY = "config.tasks.purge"
A_MINUTE = timedelta(minutes=1)

pytestmark = pytest.mark.django_db


def found() -> list[Finding]:
    return list(doctor.examine())


def store_run(task: str, timestamp: int, *, job: int | None) -> None:
    """The newest run of a periodic task, whose job is deleted if it succeeded."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO procrastinate_periodic_defers (task_name, defer_timestamp, job_id) VALUES (%s, %s, %s)",
            [task, timestamp, job],
        )


def test_failed_jobs_are_reported_by_task_with_the_command_that_retries_them() -> None:
    for task in ("gone.tasks.first", "gone.tasks.first", "gone.tasks.second"):
        store_job("failed", task)

    (finding,) = found()

    assert (finding.code, finding.severity) == ("jobs_failed", "warning")
    assert "first 2, second 1" in finding.meaning
    assert "queue retry --state failed" in finding.remedy


# --- periodic tasks -------------------------------------------------------------------------------


def test_a_periodic_job_alarms_until_a_later_one_has_succeeded() -> None:
    failed = store_job("failed", FINDER, timestamp=100)
    store_run(FINDER, 100, job=failed)
    assert found()

    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE procrastinate_periodic_defers")
    later = store_job("doing", FINDER, timestamp=102)
    store_run(FINDER, 102, job=later)
    assert found(), "the later one still runs"

    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM procrastinate_jobs WHERE id = %s", [later])  # as a worker does
    assert not found()


def test_a_success_before_the_failure_does_not_count() -> None:
    store_run(FINDER, 98, job=None)
    store_job("failed", FINDER, timestamp=100)
    assert found()


def test_the_success_of_another_task_does_not_count() -> None:
    store_run(FINDER, 102, job=None)
    store_job("failed", NIGHTLY, timestamp=100)
    assert found()


@pytest.mark.django_db(transaction=True)
def test_after_an_outage_a_worker_that_runs_is_enough(run: Run) -> None:
    for timestamp in range(10):
        store_job("failed", FINDER, timestamp=timestamp)
    assert "jobs_failed" in found_by(run)
    with running_workers():
        wait_until(lambda: not found())
    forget_settled_jobs(timestamp=0)
    assert not ProcrastinateJob.objects.filter(status="failed").exists()


# --- other tasks ----------------------------------------------------------------------------------


def test_every_task_says_when_its_work_is_done() -> None:
    """Give a new task `is_done`, so that its failed jobs do not alarm for ever."""
    periodic = {name for name, _ in app.periodic_registry.periodic_tasks}
    own = {task.name for task in app.tasks.values() if not task.name.startswith("builtin:")}
    assert own - periodic == set(settled._CHECKS)


def test_jobs_of_reminders_alarm_until_somebody_has_done_their_work(
    creator: User, viewer: User, now: datetime, settings: Any
) -> None:
    settings.NOTIFICATION_CHANNELS = {"webhook": "reminders.channels.webhook.WebhookChannel"}
    asked = now - 60 * A_MINUTE
    stream = make_stream(creator, now=asked, planned_start_at=now + 14 * A_MINUTE)
    services.set_reminder(stream.pk, by=viewer, now=asked, minute=15, language="en")

    def fail(task: str, **arguments: Any) -> None:
        forget_jobs()
        store_job("failed", f"reminders.tasks.{task}", **arguments)
        assert found()

    fail("open_due_rounds_of_stream", stream_id=stream.pk)
    (round_id,) = services.open_due_rounds_of_stream(stream.pk, now)
    assert not found()

    fail("cut_rounds", round_ids=[round_id])
    (chunk_id,) = services.cut_round(round_id, now=now)
    assert not found()

    fail("notify_chunks", chunk_ids=[chunk_id])
    (delivery_id,) = services.notify_chunk(chunk_id, now=now)
    assert not found()

    fail("deliver", delivery_id=delivery_id)
    Delivery.objects.update(state=Delivery.State.DELIVERED, closed_at=now, next_attempt_at=None)
    assert not found()

    fail("mark_rest_of_notifications", user_id=viewer.pk, until=now.isoformat())
    Notification.objects.update(read_at=now)
    assert not found()


def test_jobs_of_files_alarm_until_the_files_are_renamed_or_removed() -> None:
    old = default_storage.save("thumbnails/one.webp", ContentFile(b"picture"))
    store_job("failed", "livestreams.tasks.rename_thumbnail", old=old, new="thumbnails/two.webp")
    store_job("failed", "livestreams.tasks.remove_thumbnail", name=old)
    store_job("failed", "common.tasks.remove_files", names=["thumbnails/gone.webp", old])
    assert "rename_thumbnail 1" in found()[0].meaning
    assert settled.outstanding().total() == 3

    default_storage.delete(old)
    assert not found()


@pytest.mark.parametrize("problem", ["the storage does not answer", "arguments of another version"])
def test_a_job_of_which_it_is_not_known_alarms(problem: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def unavailable(storage: LocalStorage, name: str) -> bool:
        asked.append(name)
        raise StorageUnavailable

    if problem == "the storage does not answer":
        monkeypatch.setattr(LocalStorage, "exists", unavailable)
        for number in range(3):
            store_job("failed", names=[f"{number}.webp"])
        assert settled.outstanding().total() == 3
        assert len(asked) == 1  # each further question might wait for a timeout
    else:
        store_job("failed", files=["0.webp"])
        assert settled.outstanding().total() == 1


# --- cleaning up ----------------------------------------------------------------------------------


def test_settled_jobs_are_deleted_and_others_stay(creator: User, viewer: User, now: datetime) -> None:
    settled_job = store_job("failed", names=["gone.webp"])
    stays = [store_job("failed", "gone.tasks.first"), store_job("todo", names=["gone.webp"])]

    forget_settled_jobs(timestamp=0)

    assert list(ProcrastinateJob.objects.order_by("pk").values_list("pk", flat=True)) == stays
    assert settled_job not in stays
