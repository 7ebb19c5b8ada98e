"""What PostgreSQL reads for the statistics of a stream, its audience and leaving, however many rows the tables have."""

from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from django.db import connection
from django.utils import timezone
from pytest_django import DjangoDbBlocker

from accounts.models import User
from benchmarks.growth.rows import Size
from edges.reads import statistics as reads
from edges.services import presence
from edges.services.viewer_counts import COUNTED_EACH_TIME
from livestreams.models import LiveStream
from tests.api.test_list_plans import nodes, plans, rows_read
from tests.conftest import Api, make_user
from tests.databases import many_rows
from tests.envelope import data_of
from tests.streams import stream_url

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

SIZE = Size(users=40_000, streams=10_000, bans=20_000, viewers=39_000, watched=200_000, reminders=200_000)
# Those of the first stream come after all others in the table, where a sequential scan finds them last.
COLUMNS = "id, stream_id, user_id, role, first_seen_at, last_seen_at"
MOVED = [
    (
        f"CREATE TEMPORARY TABLE moved ON COMMIT DROP AS SELECT {COLUMNS} FROM edges_participant"
        " WHERE stream_id = '\\x{}'"
    ),
    "DELETE FROM edges_participant WHERE stream_id = '\\x{}'",
    f"INSERT INTO edges_participant ({COLUMNS}) SELECT {COLUMNS} FROM moved",
]


@pytest.fixture(scope="module")
def _many(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[LiveStream]:
    with many_rows(django_db_blocker, SIZE) as cursor:
        stream = LiveStream.objects.order_by("pk")[0]
        for statement in MOVED:
            cursor.execute(statement.format(stream.pk))
        cursor.execute("ANALYZE")
        yield stream


@pytest.fixture
def watched(_many: LiveStream, db: None) -> LiveStream:
    """A stream with a seventh of 239,000 participants and a fifth of 200,000 reminders."""
    return LiveStream.objects.get(pk=_many.pk)


def test_a_call_reads_a_bounded_number_of_rows_by_indexes(
    watched: LiveStream, api: Api, monkeypatch: pytest.MonkeyPatch, subtests: pytest.Subtests
) -> None:
    client: Any = api(make_user("root", is_superuser=True))

    for name in ("statistics", "viewers"):
        with subtests.test(name=name), plans(monkeypatch) as seen:
            data_of(client.get(stream_url(watched, name)))
            numbers = [plan for plan in seen if any("streamstatistics" in str(node) for node, _ in nodes(plan))]
            assert len(numbers) == 1
            read = [
                (node["Node Type"], node.get("Relation Name"), rows_read(node))
                for node, _ in nodes(numbers[0])
                if "Scan" in node["Node Type"]
            ]
            assert [each for each in read if each[0] == "Seq Scan"] == []
            assert max(rows for _, _, rows in read) <= COUNTED_EACH_TIME + 3


def explained(sql: str, given: dict[str, Any]) -> dict[str, Any]:
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {sql}", given)
        answer = cursor.fetchone()[0]
    plan: dict[str, Any] = (orjson.loads(answer) if isinstance(answer, str) else answer)[0]["Plan"]
    return plan


def test_samples_are_found_by_their_index(watched: LiveStream) -> None:
    begin = watched.started_at
    assert begin is not None
    given = {"stream": bytes.fromhex(watched.pk), "begin": begin, "end": timezone.now(), "seconds": 60}

    scans = [node for node, _ in nodes(explained(reads._SAMPLES, given)) if "Scan" in node["Node Type"]]

    assert {node["Index Name"] for node in scans if "Index Name" in node} == {"viewer_sample_once"}
    assert sum(rows_read(node) for node in scans if "Relation Name" in node) == 60


def test_leaving_reads_one_participant_and_one_stream(watched: LiveStream) -> None:
    user = User.objects.get(username="user7")
    ids = {"stream": bytes.fromhex(watched.pk), "user": bytes.fromhex(user.pk)}
    given = ids | {"now": timezone.now(), "window": presence.window()}

    scans = [node for node, _ in nodes(explained(presence._LEFT, given)) if "Scan" in node["Node Type"]]

    assert {node.get("Index Name") for node in scans} == {"participant_once", "livestreams_livestream_pkey"}
    assert [rows_read(node) for node in scans] == [1, 1]
