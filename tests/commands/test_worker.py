"""manage.py worker: how it is asked for. What it does, and how it stops, is tested with the reminders."""

import shlex
from collections.abc import Iterator

import pytest
from procrastinate.contrib.django.models import ProcrastinateWorker

from tests.commands.conftest import Run, Start
from tests.reminders.processes import QUEUES, forget_jobs, wait_until


@pytest.fixture(autouse=True)
def _own_jobs(transactional_db: None) -> Iterator[None]:
    forget_jobs()
    yield
    forget_jobs()


@pytest.mark.parametrize("option", ["--telling", "--delivering"])
@pytest.mark.parametrize("number", ["0", "-1", "x", "1.5", "", "101", "٣"])
def test_a_number_that_is_none_is_wrong_use(option: str, number: str, run: Run) -> None:
    finished = run("worker", f"{option}={number}", "--until-idle")
    assert finished.returncode == 2
    assert f"argument {option}: must be a number from 1 to 100, not {number!r}" in finished.stderr


def test_every_example_of_the_help_works_as_printed(run: Run, start: Start) -> None:
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
        assert worker.wait(timeout=30) == 0
        assert ProcrastinateWorker.objects.count() == 0
