"""`purge` while others write, two of it at once, and one that was interrupted."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.contrib.sessions.models import Session as AdminSession
from django.db import connection
from django.utils import timezone

from accounts.models import LoginCounter, Session, User
from common import audit, audit_archive, audit_doctor, old_rows, partitions, retention
from common.fields import new_object_id
from common.items import Items
from common.locks import AdvisoryLock
from common.models import AuditArchive, AuditEntry
from edges.models import Participant
from livestreams.models import LiveStream
from livestreams.services import delete_stream
from reminders.models import Notification
from tests.commands.conftest import Run, Start, waiting_for
from tests.commands.retained import MAKERS, World, make_world
from tests.common.sealing import sealed
from tests.conftest import session_of
from tests.patience import PATIENCE
from tests.races import at_once
from tests.retaining import in_chunks, remove
from tests.servers import direct_place
from tests.streams import make_stream

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def world(creator: User, viewer: User, now: datetime) -> World:
    return make_world(creator, viewer, now)


@contextmanager
def after_each_delete(call: Callable[[Any], None]) -> Iterator[None]:
    """Calls `call` with the cursor after each DELETE, in the transaction of the DELETE."""

    def wrapper(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        result = execute(sql, params, many, context)
        if sql.startswith("DELETE"):
            call(context["cursor"])
        return result

    with connection.execute_wrapper(wrapper):
        yield


@pytest.fixture
def other() -> Iterator[psycopg.Connection[Any]]:
    """A second session."""
    with psycopg.connect(**direct_place()) as session:
        yield session


# --- writers --------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", MAKERS)
def test_others_write_the_table_and_its_other_rows_meanwhile(
    kind: str, world: World, other: psycopg.Connection[Any]
) -> None:
    """In each transaction of a removal, what a writer needs is free: NOWAIT and SKIP LOCKED find it without a wait."""
    table = MAKERS[kind](world)._meta.db_table
    free: list[int] = []

    def look(_cursor: Any) -> None:
        other.execute(f"LOCK TABLE {table} IN ROW EXCLUSIVE MODE NOWAIT")
        free.append(len(other.execute(f"SELECT 1 FROM {table} FOR UPDATE SKIP LOCKED").fetchall()))
        other.rollback()

    with after_each_delete(look):
        assert remove(kind, now=world.now) == 1
    assert free
    assert min(free) == 2


def test_a_transaction_removes_some_thousand_rows_at_most_also_of_a_large_stream(
    creator: User, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_chunks(monkeypatch, retention.remove_dependents, size=10)
    long_ago = now - settings.DELETED_RETENTION - timedelta(days=1)
    stream = make_stream(creator, now=long_ago)
    delete_stream(stream.pk, by=creator, now=long_ago)
    people = User.objects.bulk_create(User(username=f"u{number}", username_key=f"u{number}") for number in range(25))
    Participant.objects.bulk_create(
        Participant(stream=stream, user=user, first_seen_at=now, last_seen_at=now) for user in people
    )
    Notification.objects.bulk_create(Notification(stream=stream, user=user, created_at=now) for user in people)
    counts: list[int] = []

    with after_each_delete(lambda cursor: counts.append(cursor.rowcount)):
        assert remove("streams", now=now) == 1

    assert sum(counts) >= 51
    assert max(counts) == 10
    assert not Participant.objects.exists()
    assert not Notification.objects.exists()
    assert not LiveStream.all_objects.exists()
    assert AuditEntry.objects.filter(action="purge_stream").count() == 1


def test_a_stream_that_is_restored_meanwhile_stays(creator: User, now: datetime) -> None:
    long_ago = now - settings.DELETED_RETENTION - timedelta(days=1)
    stream = make_stream(creator, now=long_ago)
    delete_stream(stream.pk, by=creator, now=long_ago)
    Participant.objects.create(stream=stream, user=creator, first_seen_at=now, last_seen_at=now)

    def restore(_cursor: Any) -> None:
        LiveStream.all_objects.filter(pk=stream.pk).update(deleted_at=None, deleted_by=None)

    with after_each_delete(restore):
        assert remove("streams", now=now) == 0
    assert LiveStream.objects.filter(pk=stream.pk).exists()


# --- two at once ----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", MAKERS)
def test_several_at_once_remove_each_row_once(kind: str, world: World) -> None:
    MAKERS[kind](world)
    assert sum(at_once(4, lambda _: remove(kind, now=world.now))) == 1


def test_several_at_once_remove_many_rows_once_and_record_each_once(
    creator: User, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_chunks(monkeypatch, retention.remove_rows, size=10)
    expired = now - settings.SESSION_RETENTION - timedelta(days=1)
    begun = expired - timedelta(days=1)
    sessions = [Session(user=creator, refresh_id=str(n), created_at=begun, expires_at=expired) for n in range(205)]
    Session.objects.bulk_create(sessions)

    counts = at_once(4, lambda _: remove("sessions", now=now))

    assert sum(counts) == 205
    recorded = AuditEntry.objects.filter(action="remove_expired_session").values_list("target_id", flat=True)
    assert sorted(recorded) == sorted(session.pk for session in sessions)


def test_several_at_once_remove_a_month_of_notifications_once(creator: User) -> None:
    first = partitions.partitions_of(Notification._meta.db_table)[1].first
    assert first is not None
    for _ in range(3):
        Notification.objects.create(
            user=creator, stream_id=new_object_id(), kind="live", created_at=partitions.begin_of(first)
        )
    when = partitions.begin_of(first + 1 + settings.NOTIFICATION_RETENTION_MONTHS)
    assert sum(at_once(4, lambda _: remove("notifications", now=when))) == 3
    assert not Notification.objects.exists()


def test_no_dry_run_takes_a_lock_for_which_another_run_would_skip_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[str] = []
    take = AdvisoryLock.tried_by_session

    def noted(lock: AdvisoryLock, *arguments: Any, **options: Any) -> Any:
        tried.append(lock.name)
        return take(lock, *arguments, **options)

    monkeypatch.setattr(AdvisoryLock, "tried_by_session", noted)
    for dry_run in (True, False):
        retention.run(now=timezone.now(), dry_run=dry_run, items=Items("purge"))
        assert sorted(tried) == ([] if dry_run else sorted([old_rows.MONTHS.name, audit_archive.LOCK.name]))


# --- interruptions --------------------------------------------------------------------------------


def test_what_was_removed_before_an_interruption_stays_removed_and_the_next_run_removes_the_rest(
    now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_chunks(monkeypatch, retention.remove_rows, size=10)
    long_ago = now - timedelta(days=1)
    LoginCounter.objects.bulk_create(
        LoginCounter(key=bytes([number]), count=1, window_started_at=long_ago) for number in range(25)
    )
    deletes: list[int] = []

    def interrupt(cursor: Any) -> None:
        deletes.append(cursor.rowcount)
        if len(deletes) == 3:
            raise KeyboardInterrupt

    with after_each_delete(interrupt), pytest.raises(KeyboardInterrupt):
        retention.run(now=now, dry_run=False, items=Items("purge"))

    assert (deletes, LoginCounter.objects.count()) == ([10, 10, 5], 5)
    assert remove("failed_logins", now=now) == 5


def test_a_killed_process_leaves_finished_kinds_done_and_no_lock(
    creator: User, place: dict[str, str], start: Start, run: Run
) -> None:
    now = timezone.now()
    expired = session_of(creator)
    long_ago = now - settings.SESSION_RETENTION - timedelta(days=1)
    Session.objects.filter(pk=expired.pk).update(created_at=long_ago - timedelta(days=1), expires_at=long_ago)
    AdminSession.objects.create(session_key="a", session_data="", expire_date=long_ago)

    with waiting_for("django_session", 1) as until_it_waits:
        purging = start("purge")
        until_it_waits()
        purging.kill()
        purging.wait(timeout=PATIENCE)
        assert not Session.objects.exists()
    assert AdminSession.objects.exists()

    finished = run("purge", "--json")

    assert finished.returncode == 0, finished.stderr
    assert not AdminSession.objects.exists()
    assert AuditEntry.objects.filter(action="remove_expired_session").count() == 1


def test_an_archive_that_was_interrupted_is_written_again(
    creator: User, now: datetime, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "AUDIT_ARCHIVE_FOLDER", tmp_path)
    for _ in range(3):
        audit.record("greet", creator, by=creator, now=now, before={}, after={})
    sealed(now=now)
    first = partitions.partitions_of(audit_archive.TABLE)[0].end
    assert first is not None
    when = partitions.begin_of(first + 12 * settings.AUDIT_RETENTION_YEARS) + timedelta(days=1)
    with monkeypatch.context() as patch:
        patch.setattr(audit_archive, "_record", _interrupted)
        with pytest.raises(KeyboardInterrupt):
            remove("audit_rows", now=when)
    (written,) = tmp_path.iterdir()
    (tmp_path / f".{written.name}.4711").write_bytes(b"half")  # of a killed process
    assert (AuditEntry.objects.count(), AuditArchive.objects.count()) == (3, 0)

    assert sum(at_once(3, lambda _: remove("audit_rows", now=when))) == 3

    assert [file.name for file in tmp_path.iterdir()] == [AuditArchive.objects.get().file]
    result, findings = audit_doctor.verify({}, lambda _: None)
    assert (result.rows, findings) == (3, [])


def _interrupted(*_: Any) -> None:
    raise KeyboardInterrupt
