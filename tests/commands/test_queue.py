"""manage.py queue"""

import json
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateEvent, ProcrastinateJob

from common.jobs import SLOW_QUEUE
from common.jobs.stored import KIND, Result, Wanted, jobs, retry_job, seen
from common.models import AuditEntry
from common.storage.local import LocalStorage
from config.world import SEEDING
from tests.commands.conftest import Run, Start, waiting_for
from tests.jobs import state_of, store_job, store_worker
from tests.patience import PATIENCE

WHY = ("--reason", "The storage is back")
AN_HOUR = timedelta(hours=1)
LOST = timedelta(seconds=10 * settings.WORKER_LOST_AFTER)
PROBE = SEEDING  # any lock that no test takes meanwhile

pytestmark = pytest.mark.django_db


def run(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    call_command("queue", *words, "--json")
    facts: dict[str, Any] = json.loads(capsys.readouterr().out)
    return facts


def rows() -> list[Any]:
    return [
        *ProcrastinateJob.objects.order_by("pk").values(),
        ProcrastinateEvent.objects.count(),
        AuditEntry.objects.count(),
    ]


def one_of_each_state() -> dict[str, int]:
    return {
        "due": store_job("todo"),
        "scheduled": store_job("todo", in_=AN_HOUR),
        "running": store_job("doing", worker=store_worker()),
        "stalled": store_job("doing", worker=store_worker(silent_for=LOST)),
        "failed": store_job("failed"),
        "cancelled": store_job("cancelled"),
        "aborted": store_job("aborted"),
    }


# --- list, show, locks ----------------------------------------------------------------------------


def test_the_list_has_each_job_with_its_state(capsys: pytest.CaptureFixture[str]) -> None:
    stored = one_of_each_state()
    stored["stalled without a worker"] = store_job("doing")

    facts = run(capsys, "list")

    assert facts["total"] == 8
    found = {row["id"]: row["state"] for row in facts["jobs"]}
    assert found == {job_id: state.partition(" ")[0] for state, job_id in stored.items()}
    counted = {each["state"]: each["count"] for each in facts["counts"]}
    assert counted == dict.fromkeys(stored.keys() - {"stalled without a worker"}, 1) | {"stalled": 2}


def test_filters_find_by_state_task_queue_and_age(capsys: pytest.CaptureFixture[str]) -> None:
    old = store_job("failed", "reminders.tasks.deliver", queue=SLOW_QUEUE, age=3 * AN_HOUR)
    new = store_job("failed")
    store_job("todo")

    def found(*words: str) -> list[int]:
        return [row["id"] for row in run(capsys, "list", *words)["jobs"]]

    assert found("--state", "failed") == [old, new]
    assert found("--task", "deliver") == found("--task", "reminders.tasks.deliver") == [old]
    assert found("--task", "eliver") == []
    assert found("--queue", SLOW_QUEUE) == [old]
    assert found("--older-than", "2h") == [old]
    assert len(found("--limit", "2")) == 2


def test_a_job_is_shown_with_its_arguments_and_events(capsys: pytest.CaptureFixture[str]) -> None:
    job_id = store_job("failed", names=["a.webp"])

    facts = run(capsys, "show", str(job_id))

    assert (facts["state"], facts["arguments"], facts["is_known"]) == ("failed", {"names": ["a.webp"]}, True)
    assert [event["type"] for event in facts["events"]] == ["deferred", "started", "failed"]
    assert facts["is_settled"]  # there is no such file
    assert not run(capsys, "show", str(store_job("failed", "gone.task")))["is_known"]


def test_only_the_job_that_is_shown_is_asked_about(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each question may be a call of a bucket."""
    asked = []

    def exists(storage: LocalStorage, name: str) -> bool:
        asked.append(name)
        return False

    monkeypatch.setattr(LocalStorage, "exists", exists)
    store_job("failed", names=["other.webp"])
    shown = store_job("failed", names=["shown.webp"])

    run(capsys, "show", str(shown))
    assert asked == ["shown.webp"]

    run(capsys, "show", str(store_job("todo", names=["waits.webp"])))
    assert asked == ["shown.webp"]


def test_locks_of_jobs_and_of_the_database_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    running, waiting = store_job("doing", worker=store_worker()), store_job("todo")
    with connection.cursor() as cursor:
        cursor.execute("UPDATE procrastinate_jobs SET lock = 'thumbnail-1' WHERE id = ANY(%s)", [[running, waiting]])
    with PROBE.tried_by_session("row"):
        facts = run(capsys, "locks")

    assert facts["jobs"] == [{"lock": "thumbnail-1", "running": 1, "waiting": 1}]
    (held,) = [each for each in facts["database"] if each["lock"] == PROBE.name]
    assert (held["is_granted"], held["blocked_by"], held["key"]) == (True, [], PROBE.key("row"))


# --- retry ----------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_a_retried_job_is_run_by_a_worker(run: Run, place: dict[str, str]) -> None:
    name = default_storage.save("thumbnails/one.webp", ContentFile(b"picture"))
    job_id = store_job("failed", queue=SLOW_QUEUE, names=[name])
    here = {"MEDIA_ROOT": str(settings.MEDIA_ROOT), "KUMANDA_DATA": str(settings.MEDIA_ROOT.parent)}

    assert json.loads(run("queue", "retry", str(job_id), *WHY, "--json").stdout)["done"] == [job_id]
    assert run("worker", "--until-idle", **here).returncode == 0

    assert not ProcrastinateJob.objects.filter(pk=job_id).exists()
    entry = AuditEntry.objects.get(action="retry_job")
    assert (entry.target_type, int(entry.target_id, 16), entry.reason) == (KIND, job_id, "The storage is back")
    assert (entry.before["state"], entry.after["task"]) == ("failed", "common.tasks.remove_files")


def test_all_are_failed_and_stalled_jobs(capsys: pytest.CaptureFixture[str]) -> None:
    stored = one_of_each_state()

    assert run(capsys, "retry", "--all", *WHY)["done"] == [stored["stalled"], stored["failed"]]
    assert {state_of(stored[state]) for state in ("stalled", "failed")} == {("todo", 1)}

    others = [str(job_id) for state, job_id in stored.items() if state not in {"stalled", "failed"}]
    before = rows()
    assert run(capsys, "retry", *others, *WHY)["unchanged"] == list(map(int, others))
    assert rows() == before


def test_a_job_that_was_listed_before_a_retry_is_not_retried_again() -> None:
    """Another operator has retried it, and a worker runs it, or it has failed again."""
    job_id = store_job("failed")
    (listed,) = seen(jobs(Wanted(ids=(job_id,)), now=timezone.now()))
    assert retry_job(listed, reason="first") == Result.DONE
    for status in ("doing", "failed"):
        with connection.cursor() as cursor:
            cursor.execute("UPDATE procrastinate_jobs SET status = %s WHERE id = %s", [status, job_id])
        assert retry_job(listed, reason="second") == Result.UNCHANGED


def test_a_periodic_job_whose_successor_waits_is_left(capsys: pytest.CaptureFixture[str]) -> None:
    failed = store_job("failed", "reminders.tasks.requeue_lost_work", queueing_lock="requeue_lost_work", timestamp=0)
    store_job("todo", "reminders.tasks.requeue_lost_work", queueing_lock="requeue_lost_work", timestamp=1)

    facts = run(capsys, "retry", "--all", *WHY)

    assert (facts["done"], facts["superseded"]) == ([], [failed])
    assert state_of(failed) == ("failed", 0)
    assert not AuditEntry.objects.filter(action="retry_job").exists()


# --- cancel ---------------------------------------------------------------------------------------


def test_jobs_that_wait_are_cancelled(capsys: pytest.CaptureFixture[str]) -> None:
    stored = one_of_each_state()

    assert run(capsys, "cancel", "--state", "scheduled", *WHY)["done"] == [stored["scheduled"]]
    assert run(capsys, "cancel", "--all", *WHY)["done"] == [stored["due"]]
    assert run(capsys, "cancel", str(stored["running"]), *WHY)["unchanged"] == [stored["running"]]

    assert state_of(stored["due"])[0] == state_of(stored["scheduled"])[0] == "cancelled"
    assert state_of(stored["running"])[0] == "doing"
    assert AuditEntry.objects.filter(action="cancel_job", reason="The storage is back").count() == 2


# --- wrong use, dry runs, copies ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("retry", *WHY), "ID: name ids, or filters, or --all, and only one of them"),
        (("cancel", "--all", "--task", "deliver", *WHY), "ID: name ids, or filters, or --all, and only one of them"),
        (("retry", "deliver", *WHY), "argument ID: 'deliver' is no id; ids of jobs are numbers"),
        (("retry", "4711", *WHY), "ID: there is no job with the id 4711"),
        (("show", "4711"), "ID: there is no job with the id 4711; jobs that succeed are deleted"),
        (("cancel", "--all"), "required: --reason"),
        (("retry", "--state", "due", *WHY), "argument --state: invalid choice: 'due'"),
        (("cancel", "--state", "failed", *WHY), "argument --state: invalid choice: 'failed'"),
        (("list", "--queue", "slow"), "argument --queue: invalid choice: 'slow'"),
        (("list", "--older-than", "an hour"), "argument --older-than: 'an hour' is no age; write 90s, 30m, 2h or 3d"),
    ],
)
def test_wrong_use_names_the_option_and_changes_nothing(words: tuple[str, ...], message: str) -> None:
    one_of_each_state()
    before = rows()
    with pytest.raises(CommandError) as raised:
        call_command("queue", *words)
    assert message in str(raised.value)
    assert rows() == before


@pytest.mark.parametrize("action", ["retry", "cancel"])
def test_a_dry_run_says_the_same_and_changes_nothing(action: str, capsys: pytest.CaptureFixture[str]) -> None:
    ids = list(map(str, one_of_each_state().values()))
    before = rows()

    foreseen = run(capsys, action, *ids, *WHY, "--dry-run")

    assert rows() == before
    assert foreseen | {"dry_run": False} == run(capsys, action, *ids, *WHY)
    assert len(foreseen["done"]) == 2


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("action", "status"), [("retry", "failed"), ("cancel", "todo")])
def test_two_copies_at_once_change_each_job_once(action: str, status: str, start: Start) -> None:
    ids = [store_job(status) for _ in range(20)]

    with waiting_for("procrastinate_jobs", 2) as until_both_wait:
        copies = [start("queue", action, "--all", *WHY, "--json") for _ in range(2)]
        until_both_wait()
    results = [json.loads(copy.communicate(timeout=PATIENCE)[0]) for copy in copies]

    assert [copy.returncode for copy in copies] == [0, 0]
    assert sorted(results[0]["done"] + results[1]["done"]) == ids
    recorded = Counter(AuditEntry.objects.filter(action=f"{action}_job").values_list("target_id", flat=True))
    assert recorded == {f"{job_id:024x}": 1 for job_id in ids}
