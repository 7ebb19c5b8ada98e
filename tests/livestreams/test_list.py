"""GET /api/v1/live-stream"""

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from accounts.models import User
from livestreams import services
from livestreams.models import LiveStream, Status
from tests.conftest import Api
from tests.envelope import assert_refused, data_of
from tests.streams import STREAMS, make_stream

# ACTIVE is last, because only one stream can be active and an ended one was active before.
ONE_OF_EACH = [*(status for status in Status if status is not Status.ACTIVE), Status.ACTIVE]


def titles(data: dict[str, Any]) -> list[str]:
    return [stream["title"] for stream in data["list"]]


@pytest.fixture
def seven(creator: User, now: datetime) -> list[LiveStream]:
    """Streams 0 to 6, created one minute apart."""
    return [make_stream(creator, title=str(number), now=now + timedelta(minutes=number)) for number in range(7)]


def test_the_newest_come_first_by_pages_of_ten(api: Api, viewer: User, seven: list[LiveStream]) -> None:
    data = data_of(api(viewer).get(STREAMS))

    assert titles(data) == ["6", "5", "4", "3", "2", "1", "0"]
    assert data["pagination"] == {
        "currentPage": 1,
        "totalPages": 1,
        "totalItems": 7,
        "itemsPerPage": 10,
        "hasNextPage": False,
        "hasPrevPage": False,
    }


def test_a_middle_page_has_a_next_and_a_previous_page(api: Api, viewer: User, seven: list[LiveStream]) -> None:
    data = data_of(api(viewer).get(STREAMS, {"page": 2, "limit": 3}))

    assert titles(data) == ["3", "2", "1"]
    assert data["pagination"] == {
        "currentPage": 2,
        "totalPages": 3,
        "totalItems": 7,
        "itemsPerPage": 3,
        "hasNextPage": True,
        "hasPrevPage": True,
    }


def test_a_full_last_page_has_no_next_page(api: Api, viewer: User, seven: list[LiveStream]) -> None:
    assert data_of(api(viewer).get(STREAMS, {"page": 1, "limit": 7}))["pagination"]["hasNextPage"] is False


@pytest.mark.parametrize("number", [2, 1000, 2_147_483_647])
def test_a_page_past_the_end_is_empty_and_has_the_total(
    number: int, api: Api, viewer: User, seven: list[LiveStream]
) -> None:
    data = data_of(api(viewer).get(STREAMS, {"page": number}))

    assert data["list"] == []
    assert data["pagination"] == {
        "currentPage": number,
        "totalPages": 1,
        "totalItems": 7,
        "itemsPerPage": 10,
        "hasNextPage": False,
        "hasPrevPage": True,
    }


def test_without_streams_the_list_is_empty_and_has_no_pages(api: Api, viewer: User) -> None:
    data = data_of(api(viewer).get(STREAMS))

    assert data["list"] == []
    assert data["pagination"] == {
        "currentPage": 1,
        "totalPages": 0,
        "totalItems": 0,
        "itemsPerPage": 10,
        "hasNextPage": False,
        "hasPrevPage": False,
    }


NO_PLACE = "must be 24 lower-case hexadecimal characters, or the X-Next-Cursor of a page"
BAD = {
    "limit=0": "limit: must be between 1 and 100",
    "limit=101": "limit: must be between 1 and 100",
    "limit=-1": "limit: must be between 1 and 100",
    "limit=abc": "limit: must be a whole number",
    "limit=1.5": "limit: must be a whole number",
    "limit=1e1": "limit: must be a whole number",
    "limit=٣": "limit: must be a whole number",
    "limit=99999999999999999999999": "limit: must be a whole number",
    "page=0": "page: must be between 1 and 2147483647",
    "page=abc": "page: must be a whole number",
    "page=2147483648": "page: must be between 1 and 2147483647",
    "after=abc": f"after: {NO_PLACE}",
    "after=": f"after: {NO_PLACE}",
    f"after={'0' * 24}": "after: there is nothing with this id",
    "status=paused": (
        "status: must be one of scheduled, preparing, active, ended, cancelled_by_host, cancelled_by_guest, expired"
    ),
    "status=active&status=x": (
        "status: must be one of scheduled, preparing, active, ended, cancelled_by_host, cancelled_by_guest, expired"
    ),
    "creatorId=1": "creatorId: must be 24 lower-case hexadecimal characters",
    "sortBy=title": ("sortBy: must be one of createdAt, updatedAt, startedAt, plannedStartDate, endedAt, durationGoal"),
    "sortOrder=up": "sortOrder: must be one of asc, desc",
    "plannedFrom=yesterday": (
        "plannedFrom: must be an ISO 8601 time with a time zone, such as 2026-01-15T10:30:00.000Z"
    ),
    "search=%00": "search: Null characters are not allowed.",
}


@pytest.mark.parametrize(("query", "reason"), BAD.items(), ids=BAD.keys())
def test_a_bad_query_names_the_parameter_and_the_rule(query: str, reason: str, api: Api, viewer: User) -> None:
    assert_refused(api(viewer).get(f"{STREAMS}?{query}"), 400, "validation_failed", reason)


def test_a_status_may_be_repeated(api: Api, creator: User, stranger: User) -> None:
    for status in ONE_OF_EACH:
        make_stream(creator, status, title=status)

    data = data_of(api(creator).get(f"{STREAMS}?status=active&status=expired"))

    assert set(titles(data)) == {"active", "expired"}
    assert data["pagination"]["totalItems"] == 2


def test_filters_are_combined(api: Api, creator: User, stranger: User) -> None:
    make_stream(creator, title="Jazz", interest="music")
    make_stream(creator, title="Chess", interest="games")
    make_stream(stranger, title="Rock", interest="music")

    data = data_of(api(creator).get(STREAMS, {"creatorId": creator.pk, "interest": "music"}))

    assert titles(data) == ["Jazz"]
    assert data["pagination"]["totalItems"] == 1


def test_the_planned_window_excludes_earlier_and_later_streams(api: Api, creator: User, now: datetime) -> None:
    for hours in (1, 2, 3):
        make_stream(creator, title=str(hours), planned_start_at=now + timedelta(hours=hours))
    make_stream(creator, "preparing", title="no plan")

    window = {
        "plannedFrom": (now + timedelta(hours=1.5)).isoformat(),
        "plannedTo": (now + timedelta(hours=2.5)).isoformat(),
    }
    assert titles(data_of(api(creator).get(STREAMS, window))) == ["2"]


@pytest.mark.parametrize("search", ["ISIK", "ışık", "Işık", "isik", "şöl", "SOL", "istanbul", "İSTANBUL"])
def test_a_search_finds_turkish_titles_however_they_are_typed(search: str, api: Api, creator: User) -> None:
    make_stream(creator, title="Işık Şöleni İstanbul'da")
    make_stream(creator, title="Something else")

    assert titles(data_of(api(creator).get(STREAMS, {"search": search}))) == ["Işık Şöleni İstanbul'da"]


@pytest.mark.parametrize("search", ["%", "_", "\\", "100%"])
def test_wildcards_of_like_are_matched_literally(search: str, api: Api, creator: User) -> None:
    make_stream(creator, title="100% \\ under_score")
    make_stream(creator, title="plain")

    assert titles(data_of(api(creator).get(STREAMS, {"search": search}))) == ["100% \\ under_score"]


@pytest.mark.parametrize("order", ["asc", "desc"])
def test_null_sorts_last_in_both_directions(order: str, api: Api, creator: User) -> None:
    make_stream(creator, "preparing", title="none")
    make_stream(creator, title="thirty", duration_goal=30)
    make_stream(creator, title="sixty", duration_goal=60)

    found = titles(data_of(api(creator).get(STREAMS, {"sortBy": "durationGoal", "sortOrder": order})))

    assert found == (["thirty", "sixty", "none"] if order == "asc" else ["sixty", "thirty", "none"])


@pytest.mark.parametrize(
    "sort_by", ["createdAt", "updatedAt", "startedAt", "plannedStartDate", "endedAt", "durationGoal"]
)
@pytest.mark.parametrize("order", ["asc", "desc"])
def test_keyset_pages_give_each_stream_once_in_the_order_of_numbered_pages(
    sort_by: str, order: str, api: Api, creator: User, guest: User, now: datetime
) -> None:
    for number, status in enumerate([*ONE_OF_EACH[:-1], *ONE_OF_EACH]):
        # Two streams at each time, so that the id decides the order.
        make_stream(creator, status, now=now - timedelta(minutes=number // 2), duration_goal=number % 3 or None)
    client = api(creator)
    sorting: dict[str, Any] = {"sortBy": sort_by, "sortOrder": order}
    expected = [stream["id"] for stream in data_of(client.get(STREAMS, {"limit": 100, **sorting}))["list"]]

    found: list[str] = []
    more = True
    while more:
        data = data_of(client.get(STREAMS, {"limit": 4, **sorting} | ({"after": found[-1]} if found else {})))
        found += [stream["id"] for stream in data["list"]]
        more = data["pagination"]["hasNextPage"]
        assert data["pagination"]["totalItems"] == len(expected)
        assert data["pagination"]["currentPage"] == 1

    assert found == expected
    assert len(expected) == 13


def test_a_keyset_page_can_begin_after_a_deleted_stream(api: Api, viewer: User, seven: list[LiveStream]) -> None:
    services.delete_stream(seven[3].pk, by=seven[3].creator, now=seven[3].created_at)

    assert titles(data_of(api(viewer).get(STREAMS, {"after": seven[3].pk}))) == ["2", "1", "0"]


def test_results_are_not_cached(api: Api, creator: User) -> None:
    client = api(creator)
    assert titles(data_of(client.get(STREAMS, {"interest": "music"}))) == []
    make_stream(creator, title="Jazz", interest="music")
    make_stream(creator, title="Chess", interest="games")

    assert titles(data_of(client.get(STREAMS, {"interest": "music"}))) == ["Jazz"]
    assert titles(data_of(client.get(STREAMS, {"interest": "games"}))) == ["Chess"]


@hypothesis_settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(limit=st.integers(1, 9), count=st.integers(0, 8))
def test_all_pages_together_are_the_whole_list(limit: int, count: int, api: Api, creator: User, db: None) -> None:
    LiveStream.all_objects.all().delete()
    made = {make_stream(creator, title=str(number)).pk for number in range(count)}
    client = api(creator)

    pages = -(-count // limit)
    found: list[str] = []
    for page in range(1, pages + 2):
        data = data_of(client.get(STREAMS, {"page": page, "limit": limit}))
        assert data["pagination"]["totalPages"] == pages
        assert data["pagination"]["hasNextPage"] == (page < pages)
        found += [stream["id"] for stream in data["list"]]

    assert len(found) == count
    assert set(found) == made


def test_listing_needs_a_token(api: Api) -> None:
    assert_refused(api().get(STREAMS), 401, "authentication_required")
