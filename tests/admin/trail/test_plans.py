"""What filters read in a trail of 200,000 entries: never more than the bounds of the walk, whatever they ask for."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from common.admin.audit_walk import AT_ENDS, LOOKED_AT
from tests.admin.pages import statements_of
from tests.admin.trail.conftest import TRAIL, at
from tests.conftest import make_user
from tests.databases import never_committed

ROWS = 200_000

# One entry a second, newest last. Most are of jobs and viewers, a few of moderators, very few of operators.
_FILL = """
    INSERT INTO common_auditentry (at, entry_point, actor_id, actor_name, action, target_type, target_id, before, after,
        reason, request_id)
    SELECT %s - (%s - n) * interval '1 second',
        CASE WHEN n %% 5000 = 0 THEN 'command' WHEN n %% 50 = 0 THEN 'admin' WHEN n %% 3 = 0 THEN 'task' ELSE 'api' END,
        CASE WHEN n %% 3 = 0 AND n %% 50 > 0 THEN NULL WHEN n %% 50 = 0 THEN %s
            ELSE substr(decode(md5((n %% 9000)::text), 'hex'), 1, 12) END,
        CASE WHEN n %% 50 = 0 THEN 'defne' ELSE 'viewer' END,
        CASE WHEN n = 10 THEN 'rotate_join_key' WHEN n %% 50 = 0 THEN 'review_ban' WHEN n %% 3 = 0 THEN 'deliver'
            WHEN n %% 7 = 0 THEN 'set_reminder' ELSE 'log_in' END,
        CASE WHEN n %% 50 = 0 THEN 'livestreamban' WHEN n %% 3 = 0 THEN 'delivery' WHEN n %% 7 = 0 THEN 'reminder'
            ELSE 'session' END,
        substr(decode(md5((n / 3)::text), 'hex'), 1, 12), '{"state": "pending"}',
        '{"state": "delivered"}', '', md5(n::text)
    FROM generate_series(1, %s) AS n
"""


@pytest.fixture(scope="module")
def filled(django_db_setup: None, django_db_blocker: Any) -> Iterator[User]:
    with never_committed(django_db_blocker) as cursor:
        user = make_user("defne", is_staff=True, is_superuser=True)
        cursor.execute(_FILL, [timezone.now(), ROWS, bytes.fromhex(user.pk), ROWS])
        cursor.execute("ANALYZE common_auditentry")
        yield user


@pytest.fixture
def client(filled: User, db: None) -> Client:
    client = Client()
    client.force_login(filled)
    return client


def day(ago: timedelta, end: str) -> dict[str, str]:
    return at(timezone.now() - ago, end)


OLD = day(timedelta(hours=40), "from") | day(timedelta(hours=39), "to")
LONG = day(timedelta(hours=50), "from") | day(timedelta(hours=2), "to")
QUERIES: dict[str, dict[str, str]] = {
    "all": {},
    **{f"the chip {group}": {"group": group} for group in ("moderation", "streams", "sign-ins", "system")},
    "one frequent action": {"action": "log_in"},
    "one rare action": {"action": "rotate_join_key"},
    "an action that never happened": {"action": "purge_stream"},
    "a kind": {"kind": "livestreamban"},
    "who": {"who": "defne"},
    "who never did it": {"who": "defne", "action": "log_in"},
    "about": {"about": "defne"},
    **{f"through {point}": {"entry_point": point} for point in ("api", "admin", "command", "task")},
    "an hour long ago": OLD,
    "two days": LONG,
    "a chip long ago": OLD | {"group": "moderation"},
    "a person long ago": OLD | {"who": "defne"},
    "an unknown request": {"q": "there-is-no-such-request"},
    "an id": {"q": "f" * 24},
    "everything at once": LONG | {"who": "defne", "group": "moderation", "entry_point": "admin", "kind": "appeal"},
}


def rows_read(plan: dict[str, Any]) -> int:
    """The rows that all scans of the table and its indexes returned or dropped."""
    own = 0
    if plan.get("Node Type", "").endswith("Scan") and "audit" in str(plan.get("Relation Name", plan.get("Index Name"))):
        dropped = plan.get("Rows Removed by Filter", 0) + plan.get("Rows Removed by Index Recheck", 0)
        own = (plan["Actual Rows"] + dropped) * plan["Actual Loops"]
    return int(own) + sum(rows_read(part) for part in plan.get("Plans", ()))


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", QUERIES)
def test_a_filter_reads_a_bounded_number_of_entries(name: str, client: Client) -> None:
    client.get(TRAIL)  # fills caches of the process
    read: list[int] = []

    def explain(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if "common_auditentry" in sql and not sql.startswith("EXPLAIN"):
            with connection.cursor() as cursor:
                cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}", params)
                read.append(rows_read(cursor.fetchone()[0][0]["Plan"]))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(explain):
        assert client.get(TRAIL, QUERIES[name]).status_code == 200
    assert read
    assert sum(read) <= 1.2 * LOOKED_AT + 2 * AT_ENDS + 1_000, read


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", QUERIES)
def test_a_page_has_at_most_fifteen_statements(name: str, client: Client) -> None:
    statements_of(client, TRAIL, QUERIES[name])


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_tab_of_a_person_with_many_entries_reads_one_page_however_often_it_was_read(
    client: Client, filled: User
) -> None:
    """After some executions PostgreSQL plans a prepared statement for the average person, who has twenty entries."""
    for _ in range(12):
        before = entries_read()
        assert client.get(reverse("admin:accounts_user_change", args=[filled.pk]), {"tab": "done"}).status_code == 200
        # Each fiftieth entry is of this person: a walk over the newest reads 2,550, all of this person are 4,000.
        assert 0 < entries_read() - before < 3_000


def entries_read() -> int:
    """How many entries were read in this transaction by indexes or scans."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT sum(seq_tup_read + coalesce(idx_tup_fetch, 0))::bigint FROM pg_stat_xact_user_tables"
            " WHERE relname LIKE 'common_auditentry%%'",
            [],
        )
        return int(cursor.fetchone()[0])
