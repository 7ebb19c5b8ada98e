"""The cost of the search for due lead times, with a million reminders on fifty thousand streams."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models import F
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from benchmarks.growth.rows import without_indexes
from reminders import services
from reminders.models import Reminder
from reminders.services.rounds import OVERLAP

STREAMS, REMINDERS_EACH = 50_000, 20
LEADS = (0, 5, 10, 15, 30, 60, 1440, 2880, 10_080)  # minutes; 0 is at the start
NOW = timezone.now().replace(second=30, microsecond=0)
SINCE_LAST_SEARCH = timedelta(seconds=2)  # ago

# One planned start in each minute of the next five weeks. Seven of ten streams are scheduled.
STREAMS_OF_WEEKS = """
    INSERT INTO livestreams_livestream (
        id, created_at, updated_at, title, title_folded, type, channel_name, thumbnail, status, creator_id, revision,
        planned_start_at, plan_set_at
    )
    SELECT decode(lpad(to_hex(number), 24, '0'), 'hex'), made, made, 'Talk', 'talk', 'solo', 'talk-' || number, '',
        CASE WHEN number %% 10 < 7 THEN 'scheduled' ELSE 'cancelled_by_host' END,
        %(creator)s, 0, %(now)s + number * interval '1 minute', made
    FROM generate_series(1, %(streams)s) AS number, (SELECT %(now)s - interval '30 days' AS made) AS earlier
"""
REMINDERS = """
    INSERT INTO reminders_reminder (id, stream_id, user_id, minute, language, created_at, updated_at)
    SELECT decode(lpad(to_hex(row_number() OVER ()), 24, '0'), 'hex'), stream.id,
        decode(lpad(to_hex(person), 24, 'a'), 'hex'),
        (%(leads)s::smallint[])[1 + (get_byte(stream.id, 11) + person) %% %(kinds)s], 'en', %(now)s, %(now)s
    FROM livestreams_livestream AS stream, generate_series(1, %(each)s) AS person
"""
# Rounds of a month ago.
ROUNDS = """
    INSERT INTO reminders_round (
        id, stream_id, kind, minute, planned_start_at, due_at, good_until, state, reminders, opened_at, closed_at
    )
    SELECT stream.id, stream.id, 'reminder', 15, past, past, past, 'cut', 1, past, past
    FROM livestreams_livestream AS stream, (SELECT %(now)s - interval '30 days' AS past) AS earlier
"""
LEAD_TIMES = """
    INSERT INTO reminders_leadtime (stream_id, minute)
    SELECT DISTINCT stream_id, minute FROM reminders_reminder WHERE minute > 0
"""


TABLES = ["livestreams_livestream", "reminders_reminder", "reminders_leadtime", "reminders_round"]


def insert_reminders(*, streams: int) -> None:
    """Twenty reminders on each of so many streams. Foreign keys are not checked, because that would take longest."""
    values: dict[str, Any] = {
        "now": NOW,
        "creator": b"\xaa" * 12,
        "streams": streams,
        "each": REMINDERS_EACH,
        "leads": list(LEADS),
        "kinds": len(LEADS),
    }
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        with without_indexes(cursor, TABLES):
            for statement in (STREAMS_OF_WEEKS, REMINDERS, LEAD_TIMES, ROUNDS):
                cursor.execute(statement, values)
        cursor.execute("SET LOCAL session_replication_role = DEFAULT")
        cursor.execute(f"ANALYZE {', '.join(TABLES)}")


def search() -> list[services.Due]:
    return services.due_lead_times(NOW, found_until=NOW - SINCE_LAST_SEARCH)


def plan() -> dict[str, Any]:
    """The executed plan of one search."""
    with CaptureQueriesContext(connection) as asked:
        search()
    (statement,) = asked.captured_queries
    with connection.cursor() as cursor:
        cursor.execute("EXPLAIN (ANALYZE, FORMAT JSON) " + statement["sql"])
        ((found,),) = cursor.fetchall()
    explained: dict[str, Any] = found[0]
    return explained


def steps(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for below in node.get("Plans", []):
        yield from steps(below)


@pytest.mark.django_db
def test_the_search_finds_exactly_what_came_due() -> None:
    insert_reminders(streams=3_000)
    came_due = NOW + F("minute") * timedelta(minutes=1)
    due = Reminder.objects.filter(
        stream__status="scheduled",
        minute__gt=0,
        stream__planned_start_at__lte=came_due,
        stream__planned_start_at__gt=came_due - SINCE_LAST_SEARCH - OVERLAP,
    )
    expected = set(due.values_list("stream_id", "minute"))

    assert {minute for _, minute in expected} == {5, 10, 15, 30, 60, 1440, 2880}  # a week ahead nothing is planned yet
    assert {(each.stream_id, each.minute) for each in search()} == expected


@pytest.mark.slow
@pytest.mark.django_db
@pytest.mark.usefixtures("no_dead_rows")
def test_the_search_does_not_read_the_million_reminders() -> None:
    insert_reminders(streams=STREAMS)
    assert Reminder.objects.count() == 1_000_000
    assert search()

    plans = [plan() for _ in range(5)]

    touched = [
        (step["Relation Name"], step["Node Type"]) for step in steps(plans[-1]["Plan"]) if "Relation Name" in step
    ]
    assert {"livestreams_livestream", "reminders_leadtime"} <= {table for table, _ in touched}
    assert "reminders_reminder" not in {table for table, _ in touched}
    assert [table for table, way in touched if way == "Seq Scan"] == []

    milliseconds = min(each["Execution Time"] for each in plans)
    assert milliseconds < 20, f"{milliseconds:.1f} ms"
