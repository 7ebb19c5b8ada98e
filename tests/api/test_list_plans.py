"""What PostgreSQL reads for a page of a list: as much as the page has, whatever the table has."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import orjson
import pytest
from django.db import connection

from accounts.models import User
from benchmarks.growth.cases import VALUES, cases
from benchmarks.growth.rows import Size, fill
from common import queries
from common.pagination import DEEPEST, EXACT_UP_TO
from livestreams.models import LiveStream
from tests.api.operations import document
from tests.conftest import Api
from tests.envelope import assert_refused, data_of
from tests.streams import STREAMS

pytestmark = pytest.mark.slow

SIZE = Size(users=5_000, streams=200_000, bans=20_000, viewers=4_000)
GROWING = {
    "accounts_user",
    "bans_livestreamban",
    "edges_creatoraudience",
    "edges_participant",
    "edges_viewercount",
    "livestreams_livestream",
}
LIMIT = 10
MOST_SORTED = 10_000
# Ten rows, their people, and at most a hundred rows passed over for each (states of which 1 in 100 streams is).
MOST_READ = 3_000

# Not bounded yet: a search among viewers that few match reads all of them. Remove what no longer does.
UNBOUNDED = {f"`listViewersByIdV1` search={text}" for text in VALUES["search"] if text != "ada"}

type Plan = dict[str, Any]


@pytest.fixture
def moderator_of_many(moderator: User) -> User:
    """In a world of `SIZE`. It is never committed, so it is gone as soon as the test ends."""
    with connection.cursor() as cursor:
        fill(cursor.execute, SIZE)
    return moderator


@contextmanager
def plans(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Plan]]:
    """The plans of the statements of lists, executed with their own values."""
    seen: list[Plan] = []
    ask = queries._fetched

    def explained(sql: str, values: Any) -> Any:
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {sql}", values)
            answer = cursor.fetchone()[0]
        seen.append((orjson.loads(answer) if isinstance(answer, str) else answer)[0]["Plan"])
        return ask(sql, values)

    with monkeypatch.context() as patch:
        patch.setattr(queries, "_fetched", explained)
        yield seen


def nodes(plan: Plan, *, counting: bool = False) -> Iterator[tuple[Plan, bool]]:
    """The nodes of a plan, and whether they only count."""
    counting = counting or plan.get("Parent Relationship") == "InitPlan"
    yield plan, counting
    for child in plan.get("Plans", ()):
        yield from nodes(child, counting=counting)


def rows_read(node: Plan) -> float:
    return (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"]


def faults(plan: Plan, *, skipped: int) -> list[str]:
    found, read = [], 0.0
    for node, counting in nodes(plan):
        kind, table = node["Node Type"], node.get("Relation Name")
        # A page behind the end of a list skips all of its rows.
        if kind == "Seq Scan" and table in GROWING and not counting and rows_read(node) > skipped:
            found.append(f"a sequential scan of {table}")
        if kind == "Sort" and node["Plans"][0]["Actual Rows"] > MOST_SORTED:
            found.append(f"a sort of {node['Plans'][0]['Actual Rows']:.0f} rows")
        if "Scan" in kind and not counting and table in GROWING:
            read += rows_read(node)
        if "Scan" in kind and counting and rows_read(node) > 40 * EXACT_UP_TO:
            found.append(f"{rows_read(node):.0f} rows read to count")
    return found if read <= MOST_READ + 2 * skipped else [*found, f"{read:.0f} rows read"]


def test_a_page_reads_as_much_as_it_has_and_nothing_that_grows(
    moderator_of_many: User, api: Api, monkeypatch: pytest.MonkeyPatch, subtests: pytest.Subtests
) -> None:
    client: Any = api(moderator_of_many)
    stream, channel = LiveStream.objects.order_by("pk").values_list("pk", "channel_name")[0]
    ids = {"user": User.objects.get(username="user7").pk, "stream": stream, "channel": channel}

    for case in cases(document()):
        address, query = case.call(ids)
        for after in (False, True):
            with subtests.test(case=str(case), after=after), plans(monkeypatch) as seen:
                if after and not case.is_paged:
                    continue
                asked = ({"limit": LIMIT} if case.is_paged else {}) | query
                if after:
                    cursor = client.get(address, asked).headers.get("X-Next-Cursor")
                    if cursor is None:
                        continue
                    seen.clear()
                    asked |= {"after": cursor}
                data_of(client.get(address, asked))
                assert seen
                # A page that is not the first also reads the keys before it, from an index.
                skipped = 0 if after else asked.get("limit", 0) * (asked.get("page", 1) - 1)
                found = [fault for plan in seen for fault in faults(plan, skipped=skipped)]
                assert bool(found) is (str(case) in UNBOUNDED), found


def test_totals_are_exact_up_to_ten_thousand_and_pages_reach_a_hundred_thousand(
    moderator_of_many: User, api: Api
) -> None:
    client: Any = api(moderator_of_many)
    living = LiveStream.objects.count()
    assert living > DEEPEST

    first = client.get(STREAMS, {"limit": 100})
    last = client.get(STREAMS, {"limit": 100, "page": DEEPEST // 100})
    beyond = client.get(STREAMS, {"limit": 100, "page": DEEPEST // 100 + 1})
    after = client.get(STREAMS, {"limit": 100, "after": last.headers["X-Next-Cursor"]})
    few = client.get(STREAMS, {"status": "active"})
    past_the_end = client.get(STREAMS, {"status": "active", "limit": 100, "page": 10**6})

    assert first.headers["X-Total-Count"] == last.headers["X-Total-Count"] == "at-least"
    assert data_of(first)["pagination"] | {"hasNextPage": None} == {
        "currentPage": 1,
        "totalPages": EXACT_UP_TO // 100,
        "totalItems": EXACT_UP_TO,
        "itemsPerPage": 100,
        "hasNextPage": None,
        "hasPrevPage": False,
    }
    assert len(data_of(last)["list"]) == len(data_of(after)["list"]) == 100
    assert data_of(last)["pagination"]["hasNextPage"] is True
    newest = LiveStream.objects.order_by("-created_at", "-pk").values_list("pk", flat=True)
    assert [row["id"] for row in data_of(last)["list"]] == list(newest[DEEPEST - 100 : DEEPEST])
    assert [row["id"] for row in data_of(after)["list"]] == list(newest[DEEPEST : DEEPEST + 100])
    assert_refused(
        beyond,
        400,
        "page_too_deep",
        "page: pages reach the first 100,000 items; read on with after, the X-Next-Cursor of a page",
    )
    assert data_of(few)["pagination"]["totalItems"] == LiveStream.objects.filter(status="active").count()
    assert "X-Total-Count" not in few.headers
    assert data_of(past_the_end)["list"] == []
