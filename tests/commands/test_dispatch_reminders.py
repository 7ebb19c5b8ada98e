"""manage.py dispatch_reminders"""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from accounts.models import User
from common.models import AuditEntry
from livestreams import services as streams
from livestreams.models import LiveStream
from reminders import services
from reminders.models import Checkpoint, Chunk, Delivery, Notification, Round
from tests.commands.conftest import Run, Start, waiting_for
from tests.patience import PATIENCE, wait_until
from tests.reminders.processes import let_wait, posting_to, running_workers
from tests.reminders.receiver import Gateway, answering, receiving
from tests.reminders.sending import SECRET
from tests.streams import make_stream

MINUTE = timedelta(minutes=1)
TABLES = (Round, Chunk, Delivery, Notification, Checkpoint, AuditEntry)


@pytest.fixture
def due(creator: User, viewer: User, now: datetime) -> LiveStream:
    """Planned in 14 minutes, with a reminder 15 minutes before the start, which came due a minute ago."""
    return due_stream(creator, viewer, now)


def due_stream(creator: User, viewer: User, now: datetime, *, ago: timedelta = MINUTE) -> LiveStream:
    asked = now - 60 * MINUTE
    stream = make_stream(creator, now=asked, planned_start_at=now + 15 * MINUTE - ago)
    services.set_reminder(stream.pk, by=viewer, now=asked, minute=15, language="en")
    Checkpoint.objects.update_or_create(defaults={"found_until": asked})
    return stream


def started(creator: User, people: int) -> LiveStream:
    stream = make_stream(creator)
    let_wait(people, stream)
    return streams.start_stream(stream.pk, by=creator, now=stream.created_at)


def dispatch(*words: str) -> dict[str, Any]:
    out = StringIO()
    call_command("dispatch_reminders", "--json", *words, stdout=out)
    facts: dict[str, Any] = json.loads(out.getvalue())
    return facts


def rows() -> list[Any]:
    jobs = "SELECT id, task_name, status, args FROM procrastinate_jobs ORDER BY id"
    with connection.cursor() as cursor:
        cursor.execute(jobs)
        return [*(list(table._default_manager.order_by("pk").values()) for table in TABLES), cursor.fetchall()]


@pytest.fixture
def gateway(settings: Any) -> Iterator[Gateway]:
    with receiving(answering(204)) as gateway:
        settings.NOTIFICATION_CHANNELS = {"webhook": "reminders.channels.webhook.WebhookChannel"}
        settings.WEBHOOK_URL, settings.WEBHOOK_SECRETS = gateway.url, [SECRET]
        settings.WEBHOOK_ALLOW_PRIVATE = True
        yield gateway


# --- sending --------------------------------------------------------------------------------------


def test_due_reminders_are_sent_to_the_inbox_and_the_receiver(due: LiveStream, viewer: User, gateway: Gateway) -> None:
    facts = dispatch()

    assert facts == {
        "dry_run": False, "stream": None, "opened": 1, "cut": 1, "notified": 1, "missed": 0,
        "delivered": 1, "waiting": 0, "given_up": 0, "stopped": 0, "void": 0, "failed_ids": [],
    }  # fmt: skip
    assert Notification.objects.values_list("kind", "user").get() == ("reminder", viewer.pk)
    assert gateway.only_call.recipients == [viewer.pk]


def test_audit_rows_name_the_command_as_entry_point(due: LiveStream) -> None:
    dispatch()
    entries = AuditEntry.objects.filter(action__in=("open_round", "cut_round", "notify_chunk"))
    assert {(entry.action, entry.entry_point) for entry in entries} == {
        ("open_round", "command"), ("cut_round", "command"), ("notify_chunk", "command"),
    }  # fmt: skip


def test_a_second_run_has_nothing_to_do(due: LiveStream, gateway: Gateway) -> None:
    dispatch()
    facts = dispatch()
    assert {name for name, count in facts.items() if count} == set()
    assert len(gateway.calls) == 1


def test_work_that_workers_began_is_finished(due: LiveStream, now: datetime, gateway: Gateway) -> None:
    (round_id,) = services.open_due_rounds(now)
    (chunk_id,) = services.cut_round(round_id, now=now)
    services.notify_chunk(chunk_id, now=now)

    facts = dispatch()

    assert (facts["opened"], facts["cut"], facts["notified"], facts["delivered"]) == (0, 0, 0, 1)


def test_missed_reminders_are_counted_and_end_with_1(creator: User, viewer: User, now: datetime) -> None:
    due_stream(creator, viewer, now, ago=11 * MINUTE)
    out = StringIO()

    with pytest.raises(CommandError, match="1 people were not notified: it was too late") as raised:
        call_command("dispatch_reminders", "--json", stdout=out)

    assert raised.value.returncode == 1
    assert json.loads(out.getvalue())["missed"] == 1
    assert not Notification.objects.exists()


@pytest.mark.parametrize(
    ("status", "count", "message"),
    [(500, "waiting", "did not get through; they are tried again"), (410, "stopped", "stopped by their receiver")],
)
def test_a_receiver_that_refuses_ends_with_1(
    status: int, count: str, message: str, due: LiveStream, gateway: Gateway
) -> None:
    gateway.answer = answering(status)
    out = StringIO()

    with pytest.raises(CommandError, match=message):
        call_command("dispatch_reminders", "--json", stdout=out)

    assert json.loads(out.getvalue())[count] == 1
    assert Notification.objects.count() == 1


def test_without_json_the_output_is_a_sentence(due: LiveStream) -> None:
    out = StringIO()
    call_command("dispatch_reminders", stdout=out)
    assert out.getvalue() == "1 rounds opened and 1 cut, 1 people notified, 0 deliveries made.\n"


# --- one stream -----------------------------------------------------------------------------------


def test_with_a_stream_only_its_reminders_are_sent(
    due: LiveStream, guest: User, viewer: User, stranger: User, now: datetime, gateway: Gateway
) -> None:
    other = due_stream(guest, stranger, now)

    facts = dispatch("--stream", other.pk.upper())

    assert (facts["stream"], facts["notified"], facts["delivered"]) == (other.pk, 1, 1)
    assert gateway.only_call.recipients == [stranger.pk]
    assert dispatch()["notified"] == 1


@pytest.mark.parametrize(
    ("wanted", "message"),
    [("x", "is no id"), ("", "is no id"), ("f" * 25, "is no id"), ("f" * 24, "there is no stream")],
)
@pytest.mark.parametrize("more", [[], ["--dry-run"]])
def test_an_invalid_stream_ends_with_2(wanted: str, message: str, more: list[str], due: LiveStream) -> None:
    before = rows()
    with pytest.raises(CommandError, match=message) as raised:
        dispatch("--stream", wanted, *more)
    assert raised.value.returncode == 2
    assert rows() == before


# --- a dry run ------------------------------------------------------------------------------------


def test_a_dry_run_lists_what_is_due_and_changes_nothing(
    due: LiveStream, creator: User, guest: User, viewer: User, stranger: User, now: datetime, gateway: Gateway
) -> None:
    half_done = due_stream(guest, stranger, now, ago=2 * MINUTE)
    services.set_reminder(half_done.pk, by=viewer, now=now - 30 * MINUTE, minute=15, language="en")
    services.open_due_rounds_of_stream(half_done.pk, now)
    before = rows()

    facts = dispatch("--dry-run")

    assert rows() == before
    assert gateway.calls == []
    assert (facts["lead_times"], facts["rounds"], facts["chunks"], facts["deliveries"], facts["people"]) == (
        1, 1, 0, 0, 3,
    )  # fmt: skip
    assert [(one["what"], one["stream_id"], one["minute"], one["people"], one["fate"]) for one in facts["due"]] == [
        ("lead time", due.pk, 15, 1, "sent"),
        ("round", half_done.pk, 15, 2, "sent"),
    ]
    assert dispatch()["notified"] == facts["people"]


def test_a_dry_run_lists_chunks_and_deliveries(due: LiveStream, now: datetime, gateway: Gateway) -> None:
    (round_id,) = services.open_due_rounds(now)
    (chunk_id,) = services.cut_round(round_id, now=now)
    assert [(one["what"], one["people"]) for one in dispatch("--dry-run")["due"]] == [("chunk", 1)]

    services.notify_chunk(chunk_id, now=now)
    (listed,) = dispatch("--dry-run")["due"]
    assert (listed["what"], listed["channel"], listed["people"]) == ("delivery", "webhook", 1)


def test_a_dry_run_reports_what_would_be_missed_or_void(
    creator: User, guest: User, viewer: User, now: datetime
) -> None:
    late = due_stream(creator, viewer, now, ago=11 * MINUTE)
    services.open_due_rounds_of_stream(late.pk, now)
    gone = due_stream(guest, viewer, now)
    services.open_due_rounds_of_stream(gone.pk, now)
    streams.delete_stream(gone.pk, by=guest, now=now)

    facts = dispatch("--dry-run")

    assert {one["stream_id"]: one["fate"] for one in facts["due"]} == {late.pk: "missed", gone.pk: "void"}
    assert facts["people"] == 0
    out = StringIO()
    call_command("dispatch_reminders", "--dry-run", stdout=out)
    assert "1 people, too late: would be missed" in out.getvalue()
    assert out.getvalue().endswith("Due: 0 lead times, 2 rounds, 0 chunks, 0 deliveries; 0 people would be notified.\n")


# --- concurrency ----------------------------------------------------------------------------------


@pytest.fixture
def crowd(transactional_db: None) -> int:
    """A number of users that takes several chunks and some time."""
    return 20_000


def recipients(gateway: Gateway) -> dict[str, list[str]]:
    """The recipients of each batch, by its key."""
    return {call.key: call.recipients for call in gateway.calls}


def test_two_concurrent_copies_send_nothing_twice(crowd: int, creator: User, gateway: Gateway, start: Start) -> None:
    started(creator, crowd)

    with waiting_for("reminders_checkpoint", 2) as until_both_wait:
        copies = [start("dispatch_reminders", "--json", **posting_to(gateway)) for _ in range(2)]
        until_both_wait()
    answers = [copy.communicate(timeout=PATIENCE) for copy in copies]

    assert [(copy.returncode, errors) for copy, (_, errors) in zip(copies, answers, strict=True)] == [(0, ""), (0, "")]
    results = [json.loads(output) for output, _ in answers]
    assert sum(facts["notified"] for facts in results) == Notification.objects.count() == crowd
    assert sum(facts["delivered"] for facts in results) == len(gateway.calls) == crowd / services.CHUNK
    assert sum(map(len, recipients(gateway).values())) == crowd


def test_with_a_running_worker_nothing_is_sent_twice(crowd: int, creator: User, gateway: Gateway, run: Run) -> None:
    with running_workers(environment=posting_to(gateway)):
        started(creator, crowd)
        finished = run("dispatch_reminders", "--json", **posting_to(gateway))
        wait_until(lambda: Notification.objects.count() == crowd)
        delivered = Delivery.objects.filter(state=Delivery.State.DELIVERED)
        wait_until(lambda: delivered.count() == crowd / services.CHUNK)

    assert (finished.returncode, finished.stderr) == (0, "")
    assert len(gateway.calls) == crowd / services.CHUNK
    assert sum(map(len, recipients(gateway).values())) == crowd


def test_jobs_of_what_the_command_sent_do_nothing(
    crowd: int, creator: User, viewer: User, gateway: Gateway, run: Run
) -> None:
    started(creator, 3_000)
    assert run("dispatch_reminders", **posting_to(gateway)).returncode == 0
    before = list(Notification.objects.order_by("pk").values())

    assert run("worker", "--until-idle", **posting_to(gateway)).returncode == 0

    assert list(Notification.objects.order_by("pk").values()) == before
    assert len(gateway.calls) == 3
