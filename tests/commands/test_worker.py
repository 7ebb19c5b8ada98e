"""manage.py worker: its options and its help. tests/reminders/test_workers.py tests what a worker does."""

import json
import shlex
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.conf import settings
from django.db import connection
from django.utils import timezone
from procrastinate.contrib.django import app
from procrastinate.contrib.django.models import ProcrastinateJob, ProcrastinateWorker

from accounts.models import User
from common.models import AuditEntry
from livestreams.models import LiveStream, Status
from tests.commands.conftest import Run, Start
from tests.patience import PATIENCE, wait_until
from tests.reminders.processes import QUEUES, forget_jobs
from tests.streams import make_stream

STORE_JOB = "INSERT INTO procrastinate_jobs (queue_name, task_name, args) VALUES (%s, %s, %s) RETURNING id"
ARGUMENTS_OF_PERIODIC_TASK = {"timestamp": 0}
OTHER_ARGUMENTS: dict[str, dict[str, list[str]]] = {"reminders.tasks.tell_chunks": {"chunk_ids": []}}


@pytest.fixture(autouse=True)
def _own_jobs(transactional_db: None) -> Iterator[None]:
    forget_jobs()
    yield
    forget_jobs()


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
    with connection.cursor() as cursor:
        for name in settings.RENAMED_TASKS:
            arguments = OTHER_ARGUMENTS.get(name, ARGUMENTS_OF_PERIODIC_TASK)
            cursor.execute(STORE_JOB, [app.tasks[name].queue, name, json.dumps(arguments)])
            stored[name] = cursor.fetchone()[0]

    finished = run("worker", "--until-idle")

    assert finished.returncode == 0
    left = ProcrastinateJob.objects.filter(pk__in=stored.values())
    assert list(left.values_list("task_name", "status")) == []
    assert LiveStream.objects.get(pk=no_show.pk).status == Status.EXPIRED
    audited = AuditEntry.objects.get(action="expire_stream", target_id=no_show.pk)
    assert (audited.entry_point, audited.request_id) == ("task", f"job-{stored['reminders.tasks.expire_no_shows']}")
