"""What `purge` removes of each kind, what it keeps, and that a dry run counts the same rows and removes none."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.conf import settings
from django.db import connection

from accounts.models import LoginCounter, User
from bans.models import Report
from common import partitions, retention
from common.fields import new_object_id
from common.items import Items
from common.models import AuditEntry
from edges.models import Participant
from reminders.models import Delivery, Notification, Round
from tests.commands.retained import (
    A_SECOND,
    MAKERS,
    World,
    make_participants,
    make_report_cases,
    make_rounds,
    make_sessions,
    make_world,
)
from tests.retaining import foreseen, in_chunks, remove


@pytest.fixture
def world(creator: User, viewer: User, now: datetime) -> World:
    return make_world(creator, viewer, now)


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
    in_chunks(monkeypatch, retention.remove_rows, size=chunk)
    model = MAKERS[kind](world)
    keys = set(model._base_manager.values_list("pk", flat=True))

    expected = foreseen(kind, now=world.now)
    assert expected.count == 1
    assert expected.oldest is not None
    assert expected.oldest <= world.now
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
        retention.remove_rows(LoginCounter.objects.all(), removal, time="window_started_at", size=10)
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
