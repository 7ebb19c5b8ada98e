"""Declaring and finding the tasks of all apps."""

from collections import Counter
from importlib.util import find_spec

import pytest
from django.apps import apps
from django.conf import settings
from procrastinate import App
from procrastinate.contrib.django import app
from procrastinate.exceptions import TaskNotFound

from common.jobs import defer, defer_each
from common.jobs.renamed import register_old_names

BUILT_IN = {"builtin:procrastinate.builtin_tasks.remove_old_jobs", "procrastinate.builtin_tasks.remove_old_jobs"}
# The names that jobs of version 0.1 are stored with. Never remove one: a job may be scheduled far ahead.
STORED = {
    "config.tasks.forget_tokens",
    "config.tasks.purge",
    "config.tasks.seal_audit_trail",
    "livestreams.tasks.remove_thumbnail",
    "livestreams.tasks.rename_thumbnail",
    "reminders.tasks.cut_rounds",
    "reminders.tasks.deliver",
    "reminders.tasks.expire_no_shows",
    "reminders.tasks.find_due_lead_times",
    "reminders.tasks.forget_failed_jobs",
    "reminders.tasks.open_due_rounds_of_stream",
    "reminders.tasks.take_over_stalled_jobs",
    "reminders.tasks.take_up_what_was_left",
    "reminders.tasks.tell_chunks",
}


def test_every_app_with_a_tasks_module_has_its_tasks_registered() -> None:
    owners = {name.partition(".tasks.")[0] for name, task in app.tasks.items() if name == task.name} - BUILT_IN
    modules = {
        config.name for config in apps.get_app_configs() if not config.name.startswith(("django", "procrastinate"))
    }
    assert owners == {name for name in modules if find_spec(f"{name}.tasks")}
    assert len(owners) >= 5


def test_every_queue_is_run_by_the_worker() -> None:
    assert {task.queue for name, task in app.tasks.items() if name not in BUILT_IN} == set(settings.WORKER_QUEUES)


def test_no_periodic_task_shares_the_queueing_lock_of_another() -> None:
    locks = Counter(known.task.queueing_lock for known in app.periodic_registry.periodic_tasks.values())
    assert None not in locks
    assert [lock for lock, count in locks.items() if count > 1] == []


def test_every_task_name_that_stored_jobs_have_is_still_registered() -> None:
    assert sorted(STORED - app.tasks.keys()) == []


def test_an_alias_of_an_unknown_task_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "RENAMED_TASKS", {"a.tasks.old": "a.tasks.missing"})
    with pytest.raises(KeyError, match=r"a\.tasks\.missing"):
        register_old_names(App(connector=app.connector))


@pytest.mark.usefixtures("db")
def test_a_task_that_does_not_exist_is_not_deferred() -> None:
    with pytest.raises(TaskNotFound):
        defer("common.tasks.missing")
    with pytest.raises(TaskNotFound):
        defer_each("common.tasks.missing", [{"number": 1}])
