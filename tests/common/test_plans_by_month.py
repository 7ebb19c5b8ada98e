"""Which partitions PostgreSQL reads for today's pages, when there are several months."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import orjson
import pytest
from django.db import connection
from django.test import Client

from accounts.models import User
from benchmarks.growth.rows import Size, fill
from common import partitions
from common.models import AuditEntry
from tests.api.test_list_plans import Plan, plans
from tests.conftest import Api
from tests.envelope import data_of
from tests.streams import make_stream

NOTIFICATIONS, TRAIL = "reminders_notification", "common_auditentry"
ROWS = 9_000  # of each month


def read(plan: Plan) -> Iterator[str]:
    """The tables whose rows are read for the page. Parts that are planned and not executed have no loops.

    A total, which counts up to 10,000 rows of all months, is an InitPlan.
    """
    if plan.get("Parent Relationship") == "InitPlan":
        return
    if plan.get("Actual Loops") and "Relation Name" in plan:
        yield plan["Relation Name"]
    for child in plan.get("Plans", ()):
        yield from read(child)


def explained(sql: str, values: Any) -> Plan:
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {sql}", values)
        answer = cursor.fetchone()[0]
    return (orjson.loads(answer) if isinstance(answer, str) else answer)[0]["Plan"]


def months_of(table: str) -> list[partitions.Partition]:
    """Three months that have rows, and their neighbours."""
    return [each for each in partitions.partitions_of(table) if each.first is not None and each.end is not None][:3]


@pytest.fixture
def filled(creator: User, viewer: User) -> User:
    stream = make_stream(creator)
    with connection.cursor() as cursor:
        fill(cursor.execute, Size(users=1_000, streams=5_000, bans=0, viewers=0))
        cursor.execute("SELECT id FROM livestreams_livestream ORDER BY id LIMIT 5000")
        streams = [row[0] for row in cursor.fetchall()]
        for table in (NOTIFICATIONS, TRAIL):
            cursor.execute("SELECT add_month_partitions(%s, 6)", [table])
            assert len(months_of(table)) == 3
        for month in months_of(NOTIFICATIONS):
            assert month.first is not None
            cursor.execute(
                """
                INSERT INTO reminders_notification (id, user_id, stream_id, kind, planned_start_at, created_at)
                SELECT int4send(extract(epoch FROM moment)::int) || substr(decode(md5(n::text), 'hex'), 1, 8),
                    CASE WHEN n %% 3 = 0 THEN %s ELSE substr(decode(md5((n %% 30)::text), 'hex'), 1, 12) END,
                    (%s::bytea[])[1 + n %% 5000],
                    'live', moment, moment
                FROM generate_series(1, %s) AS n, LATERAL (SELECT %s + n * interval '1 minute' AS moment) AS at
                """,
                [bytes.fromhex(viewer.pk), streams, ROWS, partitions.begin_of(month.first)],
            )
        for month in months_of(TRAIL):
            assert month.first is not None
            cursor.execute(
                """
                INSERT INTO common_auditentry (id, at, entry_point, actor_name, action, target_type, target_id, before,
                    after, reason, request_id)
                SELECT %s + n, %s, 'api', 'creator', 'edit_stream', 'livestream', %s, '{}', '{}', '', ''
                FROM generate_series(1, %s) AS n
                """,
                [month.first * partitions.IDS_PER_MONTH, partitions.begin_of(month.first), bytes.fromhex(stream.pk),
                 ROWS],
            )  # fmt: skip
        cursor.execute("ANALYZE reminders_notification, common_auditentry, livestreams_livestream")
    return viewer


def test_a_page_of_notifications_reads_the_months_of_its_rows(
    filled: User, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    newest = months_of(NOTIFICATIONS)[-1]
    with plans(monkeypatch) as seen:
        page = data_of(api(filled).get("/api/v2/notifications?limit=20"))
    assert len(page["list"]) == 20
    tables = [set(filter(_is_partition_of(NOTIFICATIONS), read(plan))) for plan in seen]
    pages = [found for found in tables if found]
    assert pages
    for found in pages:
        assert found <= {newest.table, f"{NOTIFICATIONS}_later", *_after(newest)}
        assert newest.table in found


def _after(month: partitions.Partition) -> set[str]:
    return {
        each.table
        for each in partitions.partitions_of(NOTIFICATIONS)
        if each.first is not None and month.end is not None and each.first >= month.end
    }


def _is_partition_of(table: str) -> Any:
    return lambda name: name.startswith(f"{table}_")


def test_the_page_of_the_audit_trail_reads_the_newest_month(
    filled: User, moderator: User, admin_client: Client, django_assert_max_num_queries: Any
) -> None:
    newest = months_of(TRAIL)[-1]
    seen: list[Plan] = []

    def explain(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql.startswith("SELECT") and TRAIL in sql and "COUNT(" not in sql:
            seen.append(explained(sql, params))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(explain):
        assert admin_client.get("/admin/common/auditentry/").status_code == 200
    found = {table for plan in seen for table in read(plan) if table.startswith(TRAIL)}
    assert newest.table in found
    older = {each.table for each in months_of(TRAIL)[:-1]} | {f"{TRAIL}_earlier"}
    assert not found & older


def test_looking_up_audit_rows_by_id_reads_one_month(filled: User) -> None:
    month = months_of(TRAIL)[1]
    assert month.first is not None
    first = month.first * partitions.IDS_PER_MONTH
    for rows in (
        AuditEntry.objects.filter(pk=first + 5),
        AuditEntry.objects.filter(pk__gt=first, pk__lt=first + 1_000).order_by("pk"),
    ):
        sql, params = rows.query.sql_with_params()
        assert set(read(explained(sql, params))) == {month.table}


def test_a_month_of_notifications_by_time_reads_one_month(filled: User) -> None:
    month = months_of(NOTIFICATIONS)[1]
    assert month.first is not None
    begin = partitions.begin_of(month.first)
    sql = f"SELECT count(*) FROM {NOTIFICATIONS} WHERE created_at >= %s AND created_at < %s"
    assert set(read(explained(sql, [begin, begin + timedelta(days=20)]))) == {month.table}
