"""What PostgreSQL reads for a page of a list: as much as the page has, whatever the table has."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from itertools import count
from typing import Any

import orjson
import pytest
from django.db import connection
from django.db.backends.utils import CursorWrapper
from django.utils import timezone
from psycopg.sql import Literal
from pytest_django import DjangoDbBlocker

from accounts.models import User
from benchmarks.growth.cases import cases
from benchmarks.growth.rows import Size
from common import queries, totals
from common.list_statements import EXACT_UP_TO
from common.pagination import DEEPEST, Listing
from common.word_search import MANY
from livestreams.models import LiveStream
from tests.api.operations import document
from tests.conftest import Api, make_user
from tests.databases import many_rows
from tests.envelope import assert_refused, data_of
from tests.streams import STREAMS

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

# Each of the first users has forty streams; the others have none.
SIZE = Size(users=5_000, streams=200_000, bans=20_000, viewers=4_000, notifications=50_000)
MORE = SIZE._replace(users=200_000, viewers=100_000)
GROWING = {
    "accounts_user",
    "bans_appeal",
    "bans_livestreamban",
    "bans_report",
    "bans_reportcase",
    "edges_creatoraudience",
    "edges_feedback",
    "edges_participant",
    "edges_streamstatistics",
    "edges_viewercount",
    "livestreams_livestream",
    "reminders_notification",
    "reminders_reminder",
}
OF_STAFF = {"getLiveStreamByIdFeedbackV1", "getLiveStreamByIdStatisticsV1"}  # others are refused
LIMIT = 10
MOST_SORTED = 10_000
# Ten rows, their people, and at most a hundred rows passed over for each (states of which 1 in 100 streams is).
MOST_READ = 3_000
# A search also reads the rows of one walk: 1,000 viewers with a user each, or 2,500 streams and those of the other part
# of the order that lie between them. Or it reads as many as it may find by the index.
SEARCHED = {"search", "q"}
MOST_WALKED = 2 * MANY
# Of the rows that a sequential scan reads until it has found enough, at least one in so many matches.
RARELY = 20

type Plan = dict[str, Any]


@pytest.fixture(scope="module")
def _many(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    with many_rows(django_db_blocker, SIZE, MORE):
        yield


@pytest.fixture
def moderator_of_many(_many: None, moderator: User) -> Iterator[User]:
    yield moderator
    Listing.large_totals.forget()


@contextmanager
def plans(monkeypatch: pytest.MonkeyPatch, *, for_any: bool = False) -> Iterator[list[Plan]]:
    """The plans of the statements of lists, executed with their own values.

    Each is planned for its values and, with `for_any`, also for any values, as PostgreSQL does once it has seen a
    statement often.
    """
    seen: list[Plan] = []
    ask = queries._fetched

    def explained(sql: str, values: Any) -> Any:
        with connection.cursor() as cursor:
            for explain in (explain_for_values, explain_for_any)[: 1 + for_any]:
                answer = explain(cursor, sql, values)
                seen.append((orjson.loads(answer) if isinstance(answer, str) else answer)[0]["Plan"])
        return ask(sql, values)

    with monkeypatch.context() as patch:
        patch.setattr(queries, "_fetched", explained)
        yield seen


EXPLAIN = "EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON)"
TYPES = {bytes: "bytea", datetime: "timestamptz", int: "bigint", list: "text[]"}


def explain_for_values(cursor: CursorWrapper, sql: str, values: Sequence[Any]) -> Any:
    cursor.execute(f"{EXPLAIN} {sql}", values)
    return cursor.fetchone()[0]


def explain_for_any(cursor: CursorWrapper, sql: str, values: Sequence[Any]) -> Any:
    """Prepared with the types that psycopg sends, of which it leaves those of texts to PostgreSQL."""
    numbers = count(1)
    prepared = re.sub("%[%s]", lambda found: "%" if found[0] == "%%" else f"${next(numbers)}", sql)
    types = ", ".join(map(_type_of, values))
    given = ", ".join(Literal(value).as_string() for value in values)
    cursor.execute("SET LOCAL plan_cache_mode = force_generic_plan")
    cursor.execute(f"PREPARE explained {f'({types})' if values else ''} AS {prepared}")
    cursor.execute(f"{EXPLAIN} EXECUTE explained {f'({given})' if values else ''}")
    answer = cursor.fetchone()
    cursor.execute("DEALLOCATE explained")
    cursor.execute("SET LOCAL plan_cache_mode = auto")
    return answer[0]


def _type_of(value: Any) -> str:
    return TYPES.get(type(value), "unknown")


def nodes(plan: Plan, *, counting: bool = False) -> Iterator[tuple[Plan, bool]]:
    """The nodes of a plan, and whether they only count: a plain aggregate has no groups."""
    counting = counting or plan.get("Parent Relationship") == "InitPlan" or plan.get("Strategy") == "Plain"
    yield plan, counting
    for child in plan.get("Plans", ()):
        yield from nodes(child, counting=counting)


def rows_read(node: Plan) -> float:
    return (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"]


def faults(plan: Plan, *, skipped: int, most_read: int) -> list[str]:
    found, read = [], 0.0
    for node, counting in nodes(plan):
        kind, table = node["Node Type"], node.get("Relation Name")
        if kind == "Seq Scan" and plan["Actual Rows"] > EXACT_UP_TO // RARELY and plan["Node Type"] == "Limit":
            # More rows match than a search looks for: it stops as soon as it has found them.
            if rows_read(node) > RARELY * plan["Actual Rows"]:
                found.append(f"{rows_read(node):.0f} rows read to find {plan['Actual Rows']:.0f}")
            continue
        # A page behind the end of a list skips all of its rows.
        if kind == "Seq Scan" and table in GROWING and not counting and rows_read(node) > skipped:
            found.append(f"a sequential scan of {table}")
        if kind == "Sort" and node["Plans"][0]["Actual Rows"] > MOST_SORTED:
            found.append(f"a sort of {node['Plans'][0]['Actual Rows']:.0f} rows")
        if "Scan" in kind and not counting and table in GROWING:
            read += rows_read(node)
        if "Scan" in kind and counting and rows_read(node) > 40 * EXACT_UP_TO:
            found.append(f"{rows_read(node):.0f} rows read to count")
    return found if read <= most_read + 2 * skipped else [*found, f"{read:.0f} rows read"]


def test_a_page_reads_as_much_as_it_has_and_nothing_that_grows(
    moderator_of_many: User, api: Api, monkeypatch: pytest.MonkeyPatch, subtests: pytest.Subtests
) -> None:
    stream, channel = LiveStream.objects.order_by("pk").values_list("pk", "channel_name")[0]
    ids = {"user": User.objects.get(username="user7").pk, "stream": stream, "channel": channel}
    clients: dict[bool, Any] = {False: api(moderator_of_many), True: api(make_user("root", is_superuser=True))}

    for case in cases(document()):
        client = clients[case.operation in OF_STAFF]
        address, query = case.call(ids)
        for after in (False, True) if case.has_pages else (False,):
            with subtests.test(case=str(case), after=after), plans(monkeypatch, for_any=True) as seen:
                Listing.large_totals.forget()
                asked = ({"limit": LIMIT} if case.has_pages else {}) | query
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
                most = MOST_READ + (MOST_WALKED if SEARCHED & query.keys() else 0)
                found = [fault for plan in seen for fault in faults(plan, skipped=skipped, most_read=most)]
                assert not found, found


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


def test_what_is_known_to_be_large_is_counted_once_in_ten_seconds(
    moderator_of_many: User, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    client: Any = api(moderator_of_many)
    clock = [100.0]
    monkeypatch.setattr(totals, "monotonic", lambda: clock[0])

    def counts(query: dict[str, Any]) -> list[int]:
        """Rows that the count of each of three calls reads."""
        found = []
        for _ in range(3):
            with plans(monkeypatch) as seen:
                answer = client.get(STREAMS, query)
            assert answer.headers["X-Total-Count"] == "at-least"
            assert data_of(answer)["pagination"]["totalItems"] == EXACT_UP_TO
            parts = [plan for tree in seen for plan, _ in nodes(tree)]
            found.append(sum(int(plan["Plans"][0]["Actual Rows"]) for plan in parts if plan.get("Strategy") == "Plain"))
        return found

    once, twice = EXACT_UP_TO + 1, 2 * EXACT_UP_TO
    assert counts({}) == [once, once + twice, 0]
    assert counts({"sortBy": "startedAt"}) == [0, 0, 0]  # the same rows in another order
    assert counts({"status": "ended"}) == [once, once + twice, 0]
    clock[0] += totals.KEPT
    assert counts({}) == [once + twice, 0, 0]
    ended = LiveStream.objects.filter(status="ended")
    ended.filter(pk__in=ended.values("pk")[EXACT_UP_TO + 500 :]).update(deleted_at=timezone.now())
    # Too near to the bound to be remembered, which is not asked again for ten seconds.
    assert counts({"status": "ended"}) == [once + EXACT_UP_TO + 500, once, once]
    clock[0] += totals.KEPT
    assert counts({"status": "ended"}) == [once + EXACT_UP_TO + 500, once, once]
