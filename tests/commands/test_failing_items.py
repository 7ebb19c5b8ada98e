"""In the loops of commands and tasks, a failing item does not stop the others. The command or task fails at the end."""

import ast
import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection
from django.utils import timezone

from accounts import retention as account_retention
from accounts.models import User
from bans import services as ban_services
from bans.models import LiveStreamBan
from common import retention
from common.items import Items, ItemsFailed, for_each
from common.jobs import URGENT, batches, maintenance, stopping
from common.models import AuditEntry
from livestreams import retention as stream_retention
from livestreams import services as stream_services
from livestreams import tasks as stream_tasks
from livestreams.management.commands import expire_streams
from livestreams.models import LiveStream, Status
from reminders import services as reminder_services
from reminders import tasks as reminder_tasks
from tests import loops
from tests.conftest import make_user, session_of
from tests.retaining import remove
from tests.streams import make_stream

APPS = ("accounts", "bans", "common", "config", "edges", "livestreams", "reminders")
# The statements of this command depend on each other, so it stops at the first failure.
DEPENDENT = {"common/management/commands/grant_service_role.py"}

ACCOUNT_KINDS = [kind.name for kind in account_retention.kinds() if isinstance(kind, retention.Retention)]


class Broken(Exception):
    """An exception that no service raises."""


def failing(service: Callable[..., Any], failing_id: str) -> Callable[..., Any]:
    """The service, failing for this item."""

    def call(item_id: str, *args: Any, **options: Any) -> Any:
        if item_id == failing_id:
            raise Broken
        return service(item_id, *args, **options)

    return call


def command(*words: str) -> tuple[dict[str, Any], str]:
    """The facts and the error message of a command that ends with 1."""
    output = StringIO()
    with pytest.raises(CommandError) as failed:
        call_command(*words, "--json", stdout=output, stderr=StringIO())
    assert failed.value.returncode == 1
    return json.loads(output.getvalue()), str(failed.value)


def no_shows(creator: User) -> list[str]:
    return sorted(make_stream(creator, now=timezone.now() - timedelta(days=9)).pk for _ in range(3))


def deleted(creator: User) -> list[str]:
    long_ago = timezone.now() - django_settings.DELETED_RETENTION - timedelta(days=1)
    streams = [make_stream(creator, now=long_ago) for _ in range(3)]
    for stream in streams:
        stream_services.delete_stream(stream.pk, by=creator, now=long_ago)
    return sorted(stream.pk for stream in streams)


def assert_logged(caplog: pytest.LogCaptureFixture, action: str, item_id: str) -> None:
    (logged,) = [record for record in caplog.records if record.name == "common.items"]
    assert (logged.getMessage(), logged.exc_info is not None) == (f"{action} failed for {item_id}", True)


# --- commands -------------------------------------------------------------------------------------


def test_expire_streams_continues_after_a_failure(
    creator: User, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    failing_id, *others = no_shows(creator)
    monkeypatch.setattr(expire_streams, "expire_stream", failing(stream_services.expire_stream, failing_id))

    facts, problem = command("expire_streams")

    assert (facts["ids"], facts["failed_ids"]) == (others, [failing_id])
    assert problem == f"expire_stream failed for {failing_id}; the log says why"
    assert set(LiveStream.objects.filter(status=Status.EXPIRED).values_list("pk", flat=True)) == set(others)
    assert_logged(caplog, "expire_stream", failing_id)


def test_purge_continues_with_other_streams_and_sessions(
    creator: User, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    failing_id, *others = deleted(creator)
    monkeypatch.setattr(stream_retention, "purge_stream", failing(stream_services.purge_stream, failing_id))
    remove("sessions", now=timezone.now())
    session = session_of(creator)
    type(session).objects.filter(pk=session.pk).update(ended_at=timezone.now() - timedelta(days=99))

    facts, problem = command("purge")

    assert (facts["ids"], facts["failed"], facts["removed"]["sessions"]) == (others, [failing_id], 1)
    assert problem == f"purge failed for {failing_id}; the log says why"
    assert list(LiveStream.all_objects.values_list("pk", flat=True)) == [failing_id]
    assert_logged(caplog, "purge", failing_id)


def test_purge_reports_a_failure_for_sessions(creator: User, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = deleted(creator)
    monkeypatch.setattr(account_retention, "remove_rows", lambda *_, **__: 1 / 0)
    facts, problem = command("purge")
    assert (facts["ids"], facts["failed"]) == (gone, ACCOUNT_KINDS)
    assert "purge failed for sessions; the log says why" in problem
    recorded = AuditEntry.objects.filter(action="purge").values_list("target_type", flat=True)
    assert set(recorded) == {kind.name for kind in retention.kinds()}


@pytest.fixture
def awaited(creator: User, viewer: User, settings: Any) -> list[str]:
    """Streams that have just started, each with one reminder."""
    settings.NOTIFICATION_CHANNELS = {"no_op": "tests.commands.test_failing_items.NoOpChannel"}
    now = timezone.now()
    streams = [make_stream(make_user(f"host{number}"), now=now) for number in range(3)]
    for stream in streams:
        reminder_services.set_reminder(stream.pk, by=viewer, now=now, minute=None, language="en")
        stream_services.start_stream(stream.pk, by=stream.creator, now=now)
    return [stream.pk for stream in streams]


class NoOpChannel:
    def send(self, batch: Any) -> None:
        pass


@pytest.mark.parametrize(
    ("service", "model", "counter"),
    [("cut_round", "Round", "delivered"), ("notify_chunk", "Chunk", "delivered"), ("deliver", "Delivery", "delivered")],
)
def test_dispatch_reminders_continues_after_a_failure(
    service: str,
    model: str,
    counter: str,
    awaited: list[str],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    original, called = getattr(reminder_services, service), list[str]()

    def fail_first(item_id: str, **options: Any) -> Any:
        called.append(item_id)
        if len(called) == 1:
            raise Broken
        return original(item_id, **options)

    monkeypatch.setattr(reminder_services, service, fail_first)

    facts, problem = command("dispatch_reminders")

    assert (len(called), facts["failed_ids"], facts[counter]) == (3, called[:1], 2)
    assert problem == f"dispatch failed for {called[0]}; the log says why"
    assert_logged(caplog, "dispatch", called[0])


def test_import_bans_continues_with_other_streams(
    creator: User, viewer: User, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    streams = [make_stream(creator).pk for _ in range(3)]
    monkeypatch.setattr(ban_services, "ban_each", failing(ban_services.ban_each, streams[0]))
    file = tmp_path / "bans.ndjson"
    ban = {"targetUserId": viewer.pk, "createdBy": creator.pk}
    file.write_text("".join(json.dumps({"liveStreamId": pk, **ban}) + "\n" for pk in streams))

    facts, problem = command("import_bans", str(file))

    message = "liveStreamId: the bans of this stream could not be made; the log says why"
    assert facts["refused_lines"] == [{"line": 1, "reasons": [message]}]
    assert problem == "1 lines were refused."
    assert set(LiveStreamBan.objects.values_list("stream_id", flat=True)) == set(streams[1:])


# --- tasks ----------------------------------------------------------------------------------------


def test_the_task_that_expires_streams_continues_and_then_fails(
    creator: User, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    failing_id, *others = no_shows(creator)
    monkeypatch.setattr(stream_tasks, "expire_stream", failing(stream_services.expire_stream, failing_id))

    with pytest.raises(ItemsFailed, match=f"expire_stream failed for 1: {failing_id}") as failed:
        stream_tasks.expire_no_shows(timestamp=0)

    assert failed.value.ids == [failing_id]
    assert isinstance(failed.value.__cause__, Broken)
    assert set(LiveStream.objects.filter(status=Status.EXPIRED).values_list("pk", flat=True)) == set(others)
    assert_logged(caplog, "expire_stream", failing_id)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("task", "argument", "service"),
    [("cut_rounds", "round_ids", "cut_round"), ("notify_chunks", "chunk_ids", "notify_chunk")],
)
def test_tasks_of_rounds_and_chunks_continue_and_then_fail(
    task: str, argument: str, service: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    done: list[str] = []
    monkeypatch.setattr(reminder_services, service, failing(lambda one, now: done.append(one), "broken"))

    with pytest.raises(ItemsFailed, match=f"{task} failed for 1: broken"):
        getattr(reminder_tasks, task)(**{argument: ["first", "broken", "last"]})

    assert done == ["first", "last"]
    assert_logged(caplog, task, "broken")


def test_stalled_jobs_are_taken_over_even_if_one_fails(caplog: pytest.LogCaptureFixture) -> None:
    class Job:
        def __init__(self, number: int) -> None:
            self.id = number

    class Jobs:
        def __init__(self) -> None:
            self.taken: list[int] = []

        async def get_stalled_jobs(self, **_: Any) -> list[Job]:
            return [Job(1), Job(2), Job(3)]

        async def retry_job(self, job: Job) -> None:
            if job.id == 1:
                raise Broken
            self.taken.append(job.id)

    jobs: Any = Jobs()
    with pytest.raises(ItemsFailed, match="take_over_stalled_jobs failed for 1: 1"):
        loops.run(maintenance.take_over_stalled_jobs(jobs))

    assert jobs.taken == [2, 3]
    assert_logged(caplog, "take_over_stalled_jobs", "1")


@pytest.fixture
def _asked_to_stop() -> Iterator[None]:
    stopping.request()
    yield
    stopping.reset()


@pytest.mark.usefixtures("_asked_to_stop")
def test_a_stopping_worker_defers_the_remaining_items(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    later: list[Any] = []
    monkeypatch.setattr(batches, "defer_in_batches", lambda *arguments, **options: later.append((arguments, options)))

    reminder_tasks.notify_chunks(chunk_ids=["first", "last"])

    assert later == [(("reminders.tasks.notify_chunks", "chunk_ids", ["first", "last"]), {"priority": URGENT})]


# --- the helper, and its callers ------------------------------------------------------------------


def test_a_lost_database_connection_ends_the_loop(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[str] = []

    def lose(item_id: str) -> None:
        called.append(item_id)
        raise OperationalError("gone")

    with pytest.raises(ItemsFailed):
        for_each("purge", ["a", "b"], lose)
    assert called == ["a", "b"]
    monkeypatch.setattr(connection, "is_usable", lambda: False)
    with pytest.raises(OperationalError):
        for_each("purge", ["c", "d"], lose)
    assert called == ["a", "b", "c"]


def test_ctrl_c_ends_the_loop() -> None:
    items = Items("purge")
    with pytest.raises(KeyboardInterrupt), items.item("a"):
        raise KeyboardInterrupt
    assert items.failed == []


def test_many_failures_are_one_short_message(db: None) -> None:
    with pytest.raises(ItemsFailed) as failed:
        for_each("purge", [str(number) for number in range(30)], lambda _: 1 / 0)
    assert str(failed.value) == "purge failed for 30: 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, …"
    assert len(failed.value.ids) == 30


def loops_over_items(tree: ast.Module) -> Iterator[tuple[int, bool]]:
    """The line of each loop that calls a service or a job manager, and whether each call is inside `items.item`."""
    services = {
        name.asname or name.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").endswith(".services")
        for name in node.names
    }

    def is_call_of_service(node: ast.AST) -> bool:
        match node:
            case ast.Call(func=ast.Name(id=name)):
                return name in services or name in {"service", "_cut", "_notified"}
            case ast.Call(func=ast.Attribute(value=ast.Name(id=module), attr=attr)):
                return module in {"services", "jobs"} or (module, attr) == ("self", "ban")
        return False

    def is_guarded(loop: ast.For) -> bool:
        guarded = {
            id(inner)
            for node in ast.walk(loop)
            if isinstance(node, ast.With) and ".item(" in ast.unparse(node.items[0])
            for inner in ast.walk(node)
        }
        return all(id(node) in guarded for part in loop.body for node in ast.walk(part) if is_call_of_service(node))

    for node in ast.walk(tree):
        if isinstance(node, ast.For):
            inside = [inner for part in node.body for inner in ast.walk(part)]
            if any(map(is_call_of_service, inside)):
                yield node.lineno, is_guarded(node)


def test_every_loop_over_items_is_guarded() -> None:
    found = []
    for app in APPS:
        folder = Path(django_settings.BASE_DIR, app)
        for path in sorted(
            [
                *folder.glob("tasks.py"),
                *folder.glob("retention.py"),
                *folder.glob("jobs/*.py"),
                *folder.glob("management/commands/*.py"),
            ]
        ):
            name = str(path.relative_to(django_settings.BASE_DIR))
            if name not in DEPENDENT:
                found += [(name, *loop) for loop in loops_over_items(ast.parse(path.read_text(encoding="utf-8")))]
    assert len(found) >= 8
    assert [(name, line) for name, line, is_guarded in found if not is_guarded] == []
