"""What PostgreSQL reads for the front page: a bounded number of rows, however many bans there are."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone
from pytest_django import DjangoDbBlocker

from accounts.models import User
from bans.models import LiveStreamBan
from bans.overview import HOURS, MOST_COUNTED, MOST_WALKED
from benchmarks.growth.rows import Size, fill_in_bulk, stream_id, user_id
from config.front_page.reading import read
from reminders import overview as reminders
from tests.api.test_list_plans import nodes, plans, rows_read
from tests.conftest import make_user

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

SIZE = Size(users=40_000, streams=40_000, bans=200_000, viewers=100, reminders=200_000)
GROWING = {
    "bans_livestreamban",
    "bans_appeal",
    "livestreams_livestream",
    "edges_viewercount",
    "reminders_reminder",
    "reminders_leadtime",
    "accounts_user",
}
MOVED = [
    # A busy day: every ban was made in the last 48 hours, and a quarter of them by calls for a hundred people each.
    """UPDATE bans_livestreamban SET created_at = now() - (1 - n / 2e5) * interval '48 hours',
        updated_at = now() - (1 - n / 2e5) * interval '48 hours',
        deleted_at = CASE WHEN n %% 10 = 9 THEN now() - (1 - n / 2e5) * interval '48 hours' END,
        expires_at = CASE WHEN n %% 10 < 3 THEN now() + n / 2e5 * interval '5 hours' END,
        batch_id = CASE WHEN n %% 400 < 100 THEN decode(lpad(to_hex(n / 400 + 1), 24, '0'), 'hex') END
    FROM (SELECT id AS found, row_number() OVER (ORDER BY id) - 1 AS n FROM bans_livestreamban) AS numbered
    WHERE id = found""",
    # One in four was reviewed by one moderator.
    f"""UPDATE bans_livestreamban SET review = 'upheld', reviewed_at = now(), reviewed_by_id = {user_id("0")}
    WHERE get_byte(id, 11) %% 4 = 0""",
    f"""INSERT INTO reminders_leadtime (stream_id, minute)
    SELECT {stream_id("n")}, 15 FROM generate_series(0, 39999) AS n ON CONFLICT DO NOTHING""",
    # Half of the planned streams start so that the reminders of all of them come due in the next hour.
    """UPDATE livestreams_livestream SET planned_start_at = now() + interval '40 minutes'
    WHERE status = 'scheduled' AND get_byte(id, 11) %% 2 = 0""",
    "ANALYZE",
]


@pytest.fixture(scope="module")
def _many(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    with django_db_blocker.unblock(), transaction.atomic():
        with connection.cursor() as cursor:
            fill_in_bulk(cursor, SIZE)
            for statement in MOVED:
                cursor.execute(statement, [])
        yield
        transaction.set_rollback(True)


def test_the_page_reads_a_bounded_number_of_rows_by_indexes(_many: None, monkeypatch: pytest.MonkeyPatch) -> None:
    make_user("root", is_superuser=True, is_staff=True)
    user = User.objects.get(username="user0")
    User.objects.filter(pk=user.pk).update(is_superuser=True, is_staff=True)
    user.refresh_from_db()
    now = timezone.now()

    with plans(monkeypatch) as seen:
        values = read(user, now)

    (plan,) = seen
    scans = [node for node, _ in nodes(plan) if "Scan" in node["Node Type"]]
    assert [node for node in scans if node["Node Type"] == "Seq Scan" and node.get("Relation Name") in GROWING] == []
    assert not any(node["Node Type"] == "Sort" and rows_read(node["Plans"][0]) > MOST_COUNTED for node, _ in nodes(plan))
    read_rows: dict[str, float] = {}
    for node in scans:
        if "Relation Name" in node:
            read_rows[node["Relation Name"]] = read_rows.get(node["Relation Name"], 0) + rows_read(node)
    # By hour, both kinds; in the queues; and a few for raids, decisions and live streams.
    most = 2 * HOURS * (MOST_COUNTED + 1) + 4 * MOST_COUNTED + 2 * MOST_WALKED + 9 * MOST_COUNTED
    assert read_rows["bans_livestreamban"] <= most
    assert read_rows["reminders_reminder"] <= reminders.MOST_WALKED + 100
    assert values["waiting"]["live"] > 0
    assert values["waiting"]["ending"] == MOST_COUNTED + 1
    assert sum(number > MOST_COUNTED for number in values["blocks"]) > HOURS / 2
    assert len(values["decisions"]) == 10
    assert len(values["raids"]) == 5
    assert values["reminders_due"]["found"] > MOST_COUNTED
    assert LiveStreamBan.all_objects.count() == SIZE.bans


def test_it_takes_a_fraction_of_the_time_of_a_page(_many: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also with the plan that PostgreSQL makes once for all values."""
    user = User.objects.get(username="user0")
    user.is_superuser = True
    times: list[Any] = []
    for _ in range(12):
        began = timezone.now()
        read(user, began)
        times.append((timezone.now() - began).total_seconds())
    assert sorted(times)[-2] < 0.1, times
