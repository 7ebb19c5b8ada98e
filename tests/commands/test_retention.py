"""What `purge` removes of each kind, what it keeps, and that a dry run counts the same rows and removes none."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import pytest
from django.conf import settings
from django.contrib.sessions.models import Session as AdminSession
from django.db import connection, models
from procrastinate.contrib.django.models import ProcrastinateJob

from accounts.models import KnownAddress, LoginCounter, PersonNote, RefreshedPair, Session, User
from bans.models import Report, ReportCase
from bans.services import dismiss_case
from common import partitions, retention
from common.fields import new_object_id
from common.items import Items
from common.models import AuditEntry, StoredAnswer
from edges.models import Feedback, Participant, Revocation, ViewerSample
from livestreams.models import LiveStream
from livestreams.services import cancel_stream, delete_stream
from reminders.models import Chunk, Delivery, DeviceToken, Notification, Reminder, Round
from reminders.services.devices import UNUSED_AFTER
from tests.bans.reporting import make_report
from tests.conftest import session_of
from tests.retaining import remove
from tests.streams import make_stream

A_SECOND = timedelta(seconds=1)


class World(NamedTuple):
    """`over` was cancelled longer ago than records are kept, `recent` lately; `open` is not over."""

    creator: User
    viewer: User
    over: LiveStream
    recent: LiveStream
    open: LiveStream
    old: datetime  # before records are removed
    now: datetime


@pytest.fixture
def world(creator: User, viewer: User, now: datetime) -> World:
    old = now - settings.STREAM_RECORD_RETENTION - A_SECOND
    over, recent, still = (make_stream(creator, now=old - timedelta(days=1)) for _ in range(3))
    cancel_stream(over.pk, by=creator, now=old)
    cancel_stream(recent.pk, by=creator, now=now - timedelta(days=1))
    Round.objects.all().delete()
    return World(creator, viewer, over, recent, still, old, now)


def of_each_stream(world: World, make: Callable[[LiveStream], Any]) -> None:
    for stream in (world.over, world.recent, world.open):
        make(stream)


def make_participants(world: World) -> type[models.Model]:
    of_each_stream(
        world,
        lambda stream: Participant.objects.create(
            stream=stream, user=world.viewer, first_seen_at=world.old, last_seen_at=world.old
        ),
    )
    return Participant


def make_viewer_samples(world: World) -> type[models.Model]:
    of_each_stream(world, lambda stream: ViewerSample.objects.create(stream=stream, at=world.old, viewers=1))
    return ViewerSample


def make_feedback(world: World) -> type[models.Model]:
    of_each_stream(
        world,
        lambda stream: Feedback.objects.create(stream=stream, user=world.viewer, rating=5, created_at=world.old),
    )
    return Feedback


def make_revocations(world: World) -> type[models.Model]:
    of_each_stream(
        world,
        lambda stream: Revocation.objects.create(stream=stream, user=world.viewer, action="BLOCK", at=world.old),
    )
    return Revocation


def make_reminders(world: World) -> type[models.Model]:
    of_each_stream(
        world,
        lambda stream: Reminder.objects.create(
            stream=stream, user=world.viewer, language="en", created_at=world.old, updated_at=world.old
        ),
    )
    return Reminder


def make_rounds(world: World) -> type[models.Model]:
    def make(stream: LiveStream) -> None:
        times = {"due_at": world.old, "good_until": world.old, "opened_at": world.old}
        made = Round.objects.create(stream=stream, kind="cancelled", state="cut", **times)
        chunk = Chunk.objects.create(round=made, number=1, due_at=world.old, state="notified")
        Delivery.objects.create(
            chunk=chunk, channel="email", state="delivered", created_at=world.old, closed_at=world.old
        )

    of_each_stream(world, make)
    return Round


def make_report_cases(world: World) -> type[models.Model]:
    """The last one is not decided, and so kept."""
    kept = settings.REPORT_RETENTION
    decided = {world.over: world.now - kept - A_SECOND, world.recent: world.now - kept + A_SECOND}
    for stream in (world.over, world.recent, world.open):
        case = make_report(world.viewer, stream, now=world.now - kept - timedelta(days=1)).case
        if stream in decided:
            dismiss_case(case.pk, by=world.viewer, now=decided[stream], reason="x")
    return ReportCase


def make_streams(world: World) -> type[models.Model]:
    for stream, when in ((world.over, world.now - settings.DELETED_RETENTION - A_SECOND), (world.recent, world.now)):
        delete_stream(stream.pk, by=world.creator, now=when)
    return LiveStream


def make_sessions(world: World) -> type[models.Model]:
    old = world.now - settings.SESSION_RETENTION - A_SECOND
    ended, lately, _holding = (session_of(world.creator) for _ in range(3))
    Session.objects.filter(pk=ended.pk).update(ended_at=old)
    Session.objects.filter(pk=lately.pk).update(ended_at=world.now)
    return Session


def make_admin_sessions(world: World) -> type[models.Model]:
    for key, days in (("a", -1), ("b", 1), ("c", 1)):
        AdminSession.objects.create(session_key=key, session_data="", expire_date=world.now + timedelta(days=days))
    return AdminSession


def make_failed_logins(world: World) -> type[models.Model]:
    for number, hours in enumerate((2, 0, 0)):
        LoginCounter.objects.create(key=bytes([number]), count=1, window_started_at=world.now - timedelta(hours=hours))
    return LoginCounter


def make_known_addresses(world: World) -> type[models.Model]:
    for number, days in enumerate((91, 1, 1)):
        KnownAddress.objects.create(
            user=world.creator, address=bytes([number]), last_login_at=world.now - timedelta(days=days)
        )
    return KnownAddress


def make_token_pairs(world: World) -> type[models.Model]:
    session = session_of(world.creator)
    for number, seconds in enumerate((-1, 50, 50)):
        RefreshedPair.objects.create(
            refresh_id=str(number), session=session, pair=b"", until=world.now + timedelta(seconds=seconds)
        )
    return RefreshedPair


def make_person_notes(world: World) -> type[models.Model]:
    old = world.now - settings.DELETED_RETENTION - A_SECOND
    for deleted_at in (old, world.now, None):
        PersonNote.objects.create(
            person=world.viewer, author=world.creator, text="x", created_at=old, deleted_at=deleted_at
        )
    return PersonNote


def make_jobs(world: World) -> type[models.Model]:
    old = world.now - settings.JOB_RETENTION - A_SECOND
    with connection.cursor() as cursor:
        for status, when in (("failed", old), ("failed", world.now), ("todo", old)):
            cursor.execute(
                "INSERT INTO procrastinate_jobs (queue_name, task_name, args, status)"
                " VALUES ('notifying', 't', '{}', %s::procrastinate_job_status) RETURNING id",
                [status],
            )
            (key,) = cursor.fetchone()
            cursor.execute("UPDATE procrastinate_events SET at = %s WHERE job_id = %s", [when, key])
            cursor.execute("INSERT INTO procrastinate_events (job_id, type, at) VALUES (%s, 'failed', %s)", [key, when])
    return ProcrastinateJob


def make_stored_answers(world: World) -> type[models.Model]:
    for number, seconds in enumerate((0, 1, 1)):
        StoredAnswer.objects.create(
            key=UUID(int=number), fingerprint=b"", answer=b"", expires_at=world.now + timedelta(seconds=seconds)
        )
    return StoredAnswer


def make_device_tokens(world: World) -> type[models.Model]:
    for number, days in enumerate((1, 0, 0)):
        when = world.now - UNUSED_AFTER - timedelta(days=days) + A_SECOND
        DeviceToken.objects.create(
            user=world.viewer, platform="ios", token="t", digest=bytes([number]), created_at=when, updated_at=when
        )
    return DeviceToken


# Each makes three rows, of which one is past its retention.
MAKERS: dict[str, Callable[[World], type[models.Model]]] = {
    "streams": make_streams,
    "participants": make_participants,
    "viewer_samples": make_viewer_samples,
    "feedback": make_feedback,
    "revocations": make_revocations,
    "report_cases": make_report_cases,
    "reminders": make_reminders,
    "rounds": make_rounds,
    "sessions": make_sessions,
    "admin_sessions": make_admin_sessions,
    "failed_logins": make_failed_logins,
    "known_addresses": make_known_addresses,
    "token_pairs": make_token_pairs,
    "person_notes": make_person_notes,
    "jobs": make_jobs,
    "stored_answers": make_stored_answers,
    "device_tokens": make_device_tokens,
}
# Those have tests of their own.
BY_MONTH = {"notifications", "audit_rows"}


def test_every_kind_is_tested_and_names_a_setting() -> None:
    kinds = retention.kinds()
    assert {kind.name for kind in kinds} == set(MAKERS) | BY_MONTH
    assert len({kind.name for kind in kinds}) == len(kinds)
    example = (settings.BASE_DIR / ".env.example").read_text()
    assert [kind.setting for kind in kinds if kind.setting and f"\n{kind.setting}=" not in example] == []


@pytest.mark.parametrize("kind", MAKERS)
@pytest.mark.parametrize("chunk", [1, 1_000])
def test_the_rows_past_their_retention_are_removed_and_others_stay(
    kind: str, chunk: int, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "CHUNK", chunk)
    monkeypatch.setattr(retention.remove_rows, "__kwdefaults__", {"size": chunk})
    model = MAKERS[kind](world)
    keys = set(model._base_manager.values_list("pk", flat=True))

    assert remove(kind, now=world.now, dry_run=True) == 1
    assert set(model._base_manager.values_list("pk", flat=True)) == keys
    assert remove(kind, now=world.now) == 1
    left = set(model._base_manager.values_list("pk", flat=True))
    assert left < keys
    assert len(keys - left) == 1
    assert remove(kind, now=world.now) == 0


def test_deliveries_and_chunks_go_with_their_round(world: World) -> None:
    make_rounds(world)
    remove("rounds", now=world.now)
    streams = {world.recent.pk, world.open.pk}
    assert set(Round.objects.values_list("stream_id", flat=True)) == streams
    assert set(Delivery.objects.values_list("chunk__round__stream_id", flat=True)) == streams


def test_reports_go_with_their_case(world: World) -> None:
    make_report_cases(world)
    remove("report_cases", now=world.now)
    assert set(Report.objects.values_list("stream_id", flat=True)) == {world.recent.pk, world.open.pk}


def test_old_rows_are_read_until_they_are_young(world: World) -> None:
    make_participants(world)
    Participant.objects.filter(stream=world.recent).update(first_seen_at=world.now)
    statements: list[str] = []
    with connection.execute_wrapper(_counting(statements)):
        remove("participants", now=world.now - timedelta(days=999))
    assert len(statements) == 1  # the first page has young rows only, so the rest of the table is not read


def _counting(statements: list[str]) -> Any:
    def wrapper(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        statements.append(sql)
        return execute(sql, params, many, context)

    return wrapper


def test_many_rows_go_in_chunks(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(25):
        LoginCounter.objects.create(key=bytes([number]), count=1, window_started_at=world.old)
    removal = retention.Removal(dry_run=False, items=Items("purge"))
    statements: list[str] = []
    with connection.execute_wrapper(_counting(statements)):
        retention.remove_rows(LoginCounter.objects.filter(window_started_at__lt=world.now), removal, size=10)
    assert (removal.count, sum("DELETE" in sql for sql in statements)) == (25, 3)


def test_a_run_leaves_one_audit_row_for_each_kind_with_its_count(world: World) -> None:
    make_sessions(world)
    retention.run(now=world.now, dry_run=True, items=Items("purge"))
    assert not AuditEntry.objects.filter(action="purge").exists()

    retention.run(now=world.now, dry_run=False, items=Items("purge"))

    removed = dict(AuditEntry.objects.filter(action="purge").values_list("target_type", "after"))
    assert removed == {kind.name: {"removed": int(kind.name == "sessions")} for kind in retention.kinds()}


# --- by month -------------------------------------------------------------------------------------


def test_notifications_are_removed_by_month(creator: User, now: datetime) -> None:
    table = Notification._meta.db_table
    first = partitions.partitions_of(table)[1].first
    assert first is not None
    for month in (first, first + 1):
        for _ in range(2):
            Notification.objects.create(
                user=creator, stream_id=new_object_id(), kind="live", created_at=partitions.begin_of(month)
            )
    when = partitions.begin_of(first + 1 + settings.NOTIFICATION_RETENTION_MONTHS)

    assert remove("notifications", now=when - A_SECOND, dry_run=True) == 0
    assert remove("notifications", now=when, dry_run=True) == 2
    assert Notification.objects.count() == 4
    statements: list[str] = []
    with connection.execute_wrapper(_counting(statements)):
        assert remove("notifications", now=when) == 2
    assert not any("DELETE FROM" in sql for sql in statements)
    assert set(Notification.objects.values_list("created_at", flat=True)) == {partitions.begin_of(first + 1)}
    assert remove("notifications", now=when) == 0
