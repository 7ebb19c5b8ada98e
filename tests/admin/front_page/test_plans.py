"""What PostgreSQL reads for the front page: a bounded number of rows, however many bans there are."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from django.utils import timezone
from pytest_django import DjangoDbBlocker

from accounts.models import User
from bans.overview import HOURS, MOST_COUNTED, MOST_WALKED
from benchmarks.growth.rows import Size, user_id
from config.front_page.reading import read
from reminders import overview as reminders
from tests.api.test_list_plans import MOST_SORTED, nodes, plans, rows_read
from tests.databases import many_rows

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

SIZE = Size(users=40_000, streams=200_000, bans=200_000, viewers=100)
FEW = 500  # rows of a small table, which PostgreSQL reads whole
BAN_COLUMNS = """id, created_at, updated_at, deleted_at, deleted_by_id, action_type, reason, expires_at, review,
    reviewed_by_id, reviewed_at, created_by_id, stream_id, target_id, batch_id"""
# Inserted instead of updated, because an index also finds the old versions of rows until they are vacuumed.
BUSY = [
    """CREATE TEMPORARY TABLE one ON COMMIT DROP AS
    SELECT *, row_number() OVER (ORDER BY id) - 1 AS n FROM bans_livestreamban""",
    "CREATE TEMPORARY TABLE appeal ON COMMIT DROP AS SELECT * FROM bans_appeal",
    "TRUNCATE bans_livestreamban CASCADE",
    # Every ban was made in the last two days; a quarter by calls for a hundred people each. One moderator reviewed a
    # quarter of them.
    f"""INSERT INTO bans_livestreamban ({BAN_COLUMNS})
    SELECT id, at, at, CASE WHEN n % 10 = 9 THEN at END, NULL, action_type, reason,
        CASE WHEN n % 10 < 3 THEN now() + interval '5 minutes' + n / 2e5 * interval '5 hours' END,
        CASE WHEN n % 4 = 1 THEN 'upheld' ELSE 'unreviewed' END, CASE WHEN n % 4 = 1 THEN {user_id("0")} END,
        CASE WHEN n % 4 = 1 THEN at END, created_by_id, stream_id, target_id,
        CASE WHEN n % 400 < 100 THEN decode(lpad(to_hex(n / 400 + 1), 24, '0'), 'hex') END
    FROM (SELECT *, now() - (1 - n / 2e5) * interval '48 hours' AS at FROM one) AS moved""",
    "INSERT INTO bans_appeal SELECT * FROM appeal",
    # Reminders that come due within the hour, and streams that nobody wants to be reminded of.
    """CREATE TEMPORARY TABLE coming ON COMMIT DROP AS
    SELECT id FROM livestreams_livestream WHERE status = 'scheduled' AND deleted_at IS NULL
        AND planned_start_at BETWEEN timestamptz '2027-05-20 12:16Z' AND timestamptz '2027-05-20 13:14Z'""",
    """INSERT INTO reminders_leadtime (stream_id, minute) SELECT id, 15 FROM coming LIMIT 100""",
    """INSERT INTO reminders_reminder (id, created_at, updated_at, stream_id, user_id, minute, language)
    SELECT decode(lpad(to_hex(row_number() OVER ()), 24, '0'), 'hex'), now(), now(), stream_id, users.id, 15, 'en'
    FROM reminders_leadtime, (SELECT id FROM accounts_user LIMIT 500) AS users""",
    "ANALYZE",
    # As after a vacuum, which a transaction cannot run.
    "UPDATE pg_class SET relallvisible = relpages WHERE relname = 'bans_livestreamban'",
]
NOON = datetime(2027, 5, 20, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def _many(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    with many_rows(django_db_blocker, SIZE) as cursor:
        for statement in BUSY:
            cursor.execute(statement)
        yield


@pytest.fixture
def superuser(_many: None) -> User:
    user = User.objects.get(username="user0")
    user.is_superuser = True
    return user


def test_the_page_reads_a_bounded_number_of_rows_by_indexes(superuser: User, monkeypatch: pytest.MonkeyPatch) -> None:
    with plans(monkeypatch) as seen:
        values = read(superuser, timezone.now())

    (plan,) = seen
    every = [node for node, _ in nodes(plan)]
    scans = [node for node in every if "Scan" in node["Node Type"] and "Relation Name" in node]
    assert [node for node in scans if node["Node Type"] == "Seq Scan" and rows_read(node) > FEW] == []
    sorts = [node for node in every if node["Node Type"] == "Sort"]
    assert max(rows_read(node["Plans"][0]) for node in sorts) <= MOST_SORTED
    read_rows: dict[str, float] = defaultdict(float)
    for node in scans:
        read_rows[node["Relation Name"]] += rows_read(node)
    # Of each hour and kind; in three queues and of five raids; and those that are read to count the rest.
    assert read_rows["bans_livestreamban"] <= (2 * HOURS + 8) * (MOST_COUNTED + 1) + 2 * MOST_WALKED
    assert values["waiting"]["ending"] == MOST_COUNTED + 1
    assert values["waiting"]["rest"]["read"] == MOST_WALKED
    assert sum(number > MOST_COUNTED for number in values["blocks"]) >= HOURS - 1
    assert (len(values["decisions"]), len(values["raids"])) == (10, 5)


def test_of_the_reminders_that_come_due_a_bounded_number_is_read(
    superuser: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    with plans(monkeypatch) as seen:
        values = read(superuser, NOON)

    scans = [node for node, _ in nodes(seen[0]) if node.get("Relation Name") == "reminders_reminder"]
    assert sum(map(rows_read, scans)) <= reminders.MOST_WALKED + 500
    assert values["reminders_due"] == {"found": reminders.MOST_WALKED, "read": reminders.MOST_WALKED}
