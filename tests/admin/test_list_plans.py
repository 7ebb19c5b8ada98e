"""What PostgreSQL reads for filters, orders and searches of lists, with 200,000 rows of each kind."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import DjangoDbBlocker

from accounts.models import User
from bans.models import LiveStreamBan
from benchmarks.admin.rows import MILLIONS, fill_for_admin
from common.admin.counting import COUNTED
from livestreams.models import LiveStream, Status
from reminders.models import Chunk, Delivery, Reminder, Round
from tests.admin.pages import list_url
from tests.admin.plans import plans_of
from tests.api.test_list_plans import nodes
from tests.databases import never_committed

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

SIZE = MILLIONS.divided(5)._replace(audited=1_000)
# The rows of a list that are counted, and for each of them those of other tables. All appeals may be read for a page:
# they are a tenth of the bans.
MOST_READ = 6 * COUNTED
TODAY = f"{timezone.localdate():%Y-%m-%d}"


def an_hour(name: str) -> dict[str, str]:
    """Rows are made from the start of 2026 on, one every three seconds."""
    day, begin, end = "2026-01-03", "12:00", "13:00"
    return {f"{name}_from_0": day, f"{name}_from_1": begin, f"{name}_to_0": day, f"{name}_to_1": end}


@pytest.fixture(scope="module")
def root(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[User]:
    with never_committed(django_db_blocker) as cursor:
        fill_for_admin(cursor, SIZE)
        yield User.objects.create_superuser("root", "password")


@pytest.fixture
def client(root: User, db: None, settings: Any) -> Client:
    settings.NOTIFICATION_CHANNELS = dict(settings.KNOWN_CHANNELS)  # the values of a filter
    client = Client()
    client.force_login(root)
    return client


def read_by(plan: dict[str, Any]) -> float:
    """The rows that the scans returned or dropped. A bitmap is made by one scan and read by another: it counts once."""
    return sum(
        node["Actual Loops"]
        * sum(node.get(rows, 0) for rows in ("Actual Rows", "Rows Removed by Filter", "Rows Removed by Index Recheck"))
        for node, _counting in nodes(plan)
        if "Relation Name" in node
    )


def faults_of(client: Client, model: type[Any], query: dict[str, str]) -> list[str]:
    client.get(list_url(model), query)
    with CaptureQueriesContext(connection) as captured:
        assert client.get(list_url(model), query).status_code == 200
    found = [] if len(captured) <= 15 else [f"{len(captured)} statements"]
    return found + [f"{read:.0f} rows read: {sql[:300]}" for sql, plan in plans_of(captured)
                    if (read := read_by(plan)) > MOST_READ]  # fmt: skip


@pytest.mark.parametrize(
    "query",
    [
        *({"o": order} for order in ("1", "-2", "7", "-8")),
        *({"status__exact": status} for status in Status),
        {"deleted": "yes"}, {"deleted": "no"}, {"deleted": "yes", "status__exact": "ended"},
        an_hour("planned_start_at"), {"planned_start_at_from_0": TODAY}, {"q": "ada"}, {"q": "user77"},
    ],
    ids=str,
)  # fmt: skip
def test_streams(query: dict[str, str], client: Client) -> None:
    assert faults_of(client, LiveStream, query) == []


@pytest.mark.parametrize(
    "query",
    [
        {}, {"o": "1"}, {"o": "-3"}, {"q": "user77"}, {"q": "ada"}, {"q": "ada demir"},
        {"holding": "soon"}, {"holding": "ended"}, {"appeal": "pending"}, {"appeal": "pending", "waiting": "live"},
        {"batch": "newest"}, {"reviewed_by__id__exact": "moderator"}, {"reviewed_by__id__exact": "nobody"},
        an_hour("created_at"),
    ],
    ids=str,
)  # fmt: skip
def test_bans(query: dict[str, str], client: Client) -> None:
    newest = LiveStreamBan.objects.filter(batch_id__isnull=False).order_by("-batch_id")[0].batch_id
    people = User.objects.order_by("pk")
    known = {"newest": newest, "moderator": people[0].pk, "nobody": people.reverse()[0].pk}
    asked = {name: known.get(value, value) for name, value in query.items()}
    assert faults_of(client, LiveStreamBan, asked) == []


@pytest.mark.parametrize(
    ("model", "query"),
    [
        (Reminder, {}), (Reminder, {"created_at_from_0": TODAY}), (Reminder, an_hour("created_at")),
        (Round, {}), (Round, {"due_at_from_0": TODAY}), (Round, an_hour("due_at")),
        (Chunk, {}), (Chunk, {"due_at_from_0": TODAY}), (Chunk, an_hour("due_at")),
        (Delivery, {}), (Delivery, {"p": "3"}), (Delivery, {"state__exact": "failed"}),
        (Delivery, {"channel": "email"}),
        (Delivery, {"q": "503"}), (Delivery, {"q": "no such thing"}), (Delivery, an_hour("created_at")),
    ],
    ids=str,
)  # fmt: skip
def test_notifying(model: type[Any], query: dict[str, str], client: Client) -> None:
    assert faults_of(client, model, query) == []


@pytest.mark.parametrize("model", [Chunk, Delivery])
def test_ids_of_other_tables(model: type[Any], client: Client) -> None:
    chunk = Chunk.objects.select_related("round").order_by("pk")[100]
    delivery = Delivery.objects.filter(chunk=chunk)[0]
    for pk in (chunk.pk, chunk.round_id, chunk.round.stream_id, *([delivery.pk] if model is Delivery else [])):
        assert len(client.get(list_url(model), {"q": pk}).context["cl"].result_list) >= 1
        assert faults_of(client, model, {"q": pk}) == []
    assert faults_of(client, model, {"q": "f" * 24}) == []
