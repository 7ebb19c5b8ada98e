"""manage.py worker: its options and its help. tests/reminders/test_workers.py tests what a worker does."""

import shlex
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.utils import timezone
from procrastinate.contrib.django import app
from procrastinate.contrib.django.models import ProcrastinateJob, ProcrastinateWorker

from accounts.models import User
from common.models import AuditEntry
from livestreams.models import LiveStream, Status
from tests.commands.conftest import Run, Start
from tests.jobs import store_job
from tests.patience import PATIENCE, wait_until
from tests.reminders.processes import QUEUES
from tests.streams import make_stream

ARGUMENTS_OF_PERIODIC_TASK = {"timestamp": 0}
OTHER_ARGUMENTS: dict[str, dict[str, Any]] = {"reminders.tasks.tell_chunks": {"chunk_ids": []}}

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("option", [f"--{queue}" for queue in settings.WORKER_QUEUES])
@pytest.mark.parametrize("number", ["0", "-1", "x", "1.5", "", "101", "٣"])
def test_an_invalid_number_ends_with_2(option: str, number: str, run: Run) -> None:
    finished = run("worker", f"{option}={number}", "--until-idle")
    assert finished.returncode == 2
    assert f"argument {option}: must be a number from 1 to 100, not {number!r}" in finished.stderr


def test_every_example_of_the_help_works(run: Run, start: Start) -> None:
    shown = run("worker", "--help").stdout.split("\nexamples:\n")[1].strip()
    examples = [shlex.split(line)[2:] for line in shown.splitlines()]

    assert len(examples) == 3
    for words in examples:
        if "--until-idle" in words:
            assert run(*words).returncode == 0
            continue
        worker = start(*words)
        wait_until(lambda: ProcrastinateWorker.objects.count() == QUEUES)
        worker.terminate()
        assert worker.wait(timeout=PATIENCE) == 0
        assert ProcrastinateWorker.objects.count() == 0


def test_jobs_stored_under_the_old_name_of_a_task_still_run(creator: User, run: Run) -> None:
    no_show = make_stream(creator, now=timezone.now() - timedelta(days=9))
    stored: dict[str, int] = {}
    for name in settings.RENAMED_TASKS:
        arguments = OTHER_ARGUMENTS.get(name, ARGUMENTS_OF_PERIODIC_TASK)
        stored[name] = store_job("todo", name, queue=app.tasks[name].queue, **arguments)

    finished = run("worker", "--until-idle")

    assert finished.returncode == 0
    left = ProcrastinateJob.objects.filter(pk__in=stored.values())
    assert list(left.values_list("task_name", "status")) == []
    assert LiveStream.objects.get(pk=no_show.pk).status == Status.EXPIRED
    audited = AuditEntry.objects.get(action="expire_stream", target_id=no_show.pk)
    assert (audited.entry_point, audited.request_id) == ("task", f"job-{stored['reminders.tasks.expire_no_shows']}")
