"""What PostgreSQL reads for the viewers of a stream that many joined, whether they are still there or have left."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import DjangoDbBlocker

from accounts.models import User
from benchmarks.growth.rows import Size
from edges.models import Participant
from edges.services.viewer_counts import COUNTED_EACH_TIME
from livestreams.models import LiveStream
from tests.api.test_list_plans import nodes, plans, rows_read
from tests.conftest import Api, make_user
from tests.databases import many_rows
from tests.envelope import data_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

# Most streams have few participants, and one has half of all: PostgreSQL expects few of any stream.
SIZE = Size(users=60_001, streams=20_000, bans=0, viewers=60_000, watched=60_000)
LIMIT = 10
STAYED = 300


@pytest.fixture(scope="module")
def _crowd(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    with many_rows(django_db_blocker, SIZE):
        yield


@pytest.fixture
def caller(_crowd: None) -> User:
    return make_user("caller")


def read(client: Any, address: str, query: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> tuple[Any, float]:
    """The data, and the largest number of participants that a statement reads."""
    with plans(monkeypatch, for_any=True) as seen:
        answer = client.get(address, query)
    scans = [
        sum(rows_read(node) for node, _ in nodes(plan) if node.get("Relation Name") == "edges_participant")
        for plan in seen
    ]
    return answer, max(scans)


@pytest.mark.parametrize("query", [{}, {"search": "zq"}, {"search": "ada"}, {"search": "ada kaya"}])
def test_a_page_of_a_crowd_reads_what_it_has(
    query: dict[str, Any], api: Api, caller: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    client: Any = api(caller)
    address = f"/api/v1/live-stream/{LiveStream.objects.order_by('pk')[0].pk}/viewers"
    client.get(address, query)
    client.get(address, query)  # the total is now known to be large

    first, most = read(client, address, query | {"limit": LIMIT}, monkeypatch)
    cursor = first.headers["X-Next-Cursor"]
    after, most_after = read(client, address, query | {"limit": LIMIT, "after": cursor}, monkeypatch)

    # The number of those who joined, or a walk.
    assert max(most, most_after) <= COUNTED_EACH_TIME + 20 * LIMIT
    if query.get("search") != "zq":
        assert len(data_of(first)["list"]) == len(data_of(after)["list"]) == LIMIT


@pytest.mark.parametrize("query", [{}, {"search": "ada"}, {"search": "zq"}])
def test_a_page_of_the_few_who_stayed_reads_nobody_who_left(
    query: dict[str, Any], api: Api, caller: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = LiveStream.objects.order_by("pk")[0]
    of_stream = Participant.objects.filter(stream=stream)
    # The first is the guest.
    stayed = list(of_stream.order_by("first_seen_at").values_list("pk", flat=True)[1 : STAYED + 1])
    of_stream.exclude(pk__in=stayed).update(last_seen_at=timezone.now() - timedelta(days=1))
    client: Any = api(caller)

    answer, most = read(client, f"/api/v1/live-stream/{stream.pk}/viewers", query | {"limit": LIMIT}, monkeypatch)

    assert most <= COUNTED_EACH_TIME + 20 * LIMIT
    if not query:
        assert data_of(answer)["pagination"]["totalItems"] == STAYED
