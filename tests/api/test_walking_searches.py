"""Searches by walking, whose walks end long before the list does: pages are short, and none loses or repeats a row."""

from datetime import timedelta
from random import Random
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import User
from common import pagination
from common.texts import folded
from livestreams import reads
from livestreams.models import BEGIN, OPEN, LiveStream
from livestreams.serializers import SORTABLE
from tests.conftest import Api, make_user
from tests.envelope import assert_refused, data_of
from tests.streams import STREAMS, make_stream

WALKED, WALKS = 2, 2
REACH = WALKED * WALKS
TITLES = ["Evening talk", "Talk of the night", "Concert", "Night concert"]
STATUSES = ["scheduled", "preparing", "active", "ended", "cancelled_by_host"]
ROWS = 40


@pytest.fixture(autouse=True)
def short_walks(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"FEW": -1, "MANY": -1, "WALKS": WALKS}.items():
        monkeypatch.setattr(pagination, name, value)
    monkeypatch.setattr(reads, "STREAMS", reads._sorted_streams("streams-of-short-walks", walked=WALKED))


@pytest.fixture
def caller(db: None) -> User:
    """Of forty streams with few different times, so that many are at the same place but for their ids."""
    random, now = Random(0), timezone.now()
    for number in range(ROWS):
        status = random.choice(STATUSES)
        moment = now + timedelta(minutes=random.randrange(4))
        goal = random.choice([None, 30, 60])
        creator = make_user(f"creator{number}")
        make_stream(creator, status, now=moment, title=random.choice(TITLES), duration_goal=goal)
    return make_user("caller")


def matching(search: str, **filters: Any) -> list[LiveStream]:
    streams = LiveStream.objects.filter(**filters).annotate(begin=BEGIN)
    return [each for each in streams if all(word in each.title_folded for word in folded(search).split())]


def ranked(streams: list[LiveStream]) -> list[str]:
    begin = [each for each in streams if each.status in OPEN]
    over = [each for each in streams if each.status not in OPEN]
    begin.sort(key=lambda each: (each.begin, each.pk))  # type: ignore[attr-defined]  # annotated
    over.sort(key=lambda each: (each.created_at, each.pk), reverse=True)
    return [each.pk for each in begin + over]


def read(client: Any, **query: Any) -> tuple[list[str], list[int], dict[str, Any]]:
    """All ids, the lengths of the pages, and the pagination of the last page, read by cursors."""
    ids: list[str] = []
    lengths: list[int] = []
    after: dict[str, str] = {}
    while True:
        response = client.get(STREAMS, query | after)
        data = data_of(response)
        ids += [stream["id"] for stream in data["list"]]
        lengths.append(len(data["list"]))
        assert data["pagination"]["hasNextPage"] is ("X-Next-Cursor" in response.headers)
        if not data["pagination"]["hasNextPage"]:
            return ids, lengths, data["pagination"]
        after = {"after": response.headers["X-Next-Cursor"]}


@pytest.mark.parametrize("limit", [1, 2, 5, 100])
@pytest.mark.parametrize("search", ["talk", "concert night", "ni", "n", "nothing like it"])
def test_a_search_is_read_exactly_once_in_its_rank(search: str, limit: int, api: Api, caller: User) -> None:
    ids, lengths, _ = read(api(caller), search=search, limit=limit)

    assert ids == ranked(matching(search))
    assert max(lengths) <= min(limit, REACH + WALKED)  # the last walk of a part counts for none


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("sort", SORTABLE)
def test_a_search_is_read_exactly_once_in_every_order(sort: str, order: str, api: Api, caller: User) -> None:
    client = api(caller)
    everything, _, _ = read(client, sortBy=sort, sortOrder=order, limit=100)
    wanted = {stream.pk for stream in matching("night")}

    ids, _, _ = read(client, search="night", sortBy=sort, sortOrder=order, limit=2)

    assert ids == [pk for pk in everything if pk in wanted]
    assert len(ids) > REACH


@pytest.mark.parametrize("filters", [{"status": "ended"}, {"status": ["active", "ended"]}, {"status": "preparing"}])
def test_other_filters_apply_to_a_search(filters: dict[str, Any], api: Api, caller: User) -> None:
    statuses = [filters["status"]] if isinstance(filters["status"], str) else filters["status"]

    ids, _, _ = read(api(caller), search="talk", limit=2, **filters)

    assert ids == ranked(matching("talk", status__in=statuses))


def test_a_walk_that_reached_no_end_has_a_total_that_is_at_least(api: Api, caller: User) -> None:
    client: Any = api(caller)

    for limit in (1, 100):
        response = client.get(STREAMS, {"search": "talk", "limit": limit})

        assert response.headers["X-Total-Count"] == "at-least"
        page = data_of(response)
        assert len(page["list"]) <= page["pagination"]["totalItems"] <= REACH < len(matching("talk"))


def test_a_walk_through_the_whole_list_has_an_exact_total(api: Api, caller: User) -> None:
    stream = matching("talk")[0]

    response = api(caller).get(STREAMS, {"search": "talk", "creatorId": stream.creator_id})

    assert "X-Total-Count" not in response.headers
    assert data_of(response)["pagination"] == {
        "currentPage": 1,
        "totalPages": 1,
        "totalItems": 1,
        "itemsPerPage": 10,
        "hasNextPage": False,
        "hasPrevPage": False,
    }


def test_numbered_pages_are_those_of_the_cursors_as_far_as_the_walk_reaches(api: Api, caller: User) -> None:
    client: Any = api(caller)
    ids = ranked(matching("talk"))
    pages: list[str] = []

    for number in range(1, ROWS):
        response = client.get(STREAMS, {"search": "talk", "limit": 1, "page": number})
        if response.status_code == 400:
            break
        pages += [stream["id"] for stream in data_of(response)["list"]]

    assert_refused(
        response,
        400,
        "page_too_deep",
        "page: pages of this search reach no further; read on with after, the X-Next-Cursor of a page",
    )
    assert pages == ids[: len(pages)]
    assert 1 <= len(pages) <= REACH


def test_a_cursor_of_the_rank_belongs_to_no_other_order(api: Api, caller: User) -> None:
    client: Any = api(caller)
    cursor = client.get(STREAMS, {"search": "talk"}).headers["X-Next-Cursor"]

    for other in ({}, {"search": "talk", "sortBy": "createdAt"}, {"search": "talk", "sortOrder": "asc"}):
        assert_refused(client.get(STREAMS, other | {"after": cursor}), 400, "validation_failed")


def test_an_id_is_a_place_in_the_rank(api: Api, caller: User) -> None:
    ids = ranked(matching("talk"))

    for number, pk in enumerate(ids[:-1]):
        client: Any = api(caller)
        data = data_of(client.get(STREAMS, {"search": "talk", "after": pk}))
        # The walk from there may end before the next match.
        assert [stream["id"] for stream in data["list"]] == ids[number + 1 :][: len(data["list"])]


def test_a_walk_that_finds_too_little_is_completed_by_the_index(
    api: Api, caller: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pagination, "MANY", ROWS)
    client: Any = api(caller)
    wanted = ranked(matching("talk"))

    response = client.get(STREAMS, {"search": "talk", "limit": 5, "page": 2})

    assert [stream["id"] for stream in data_of(response)["list"]] == wanted[5:10]
    assert data_of(response)["pagination"]["totalItems"] == len(wanted)
    assert "X-Total-Count" not in response.headers
    assert read(client, search="talk", limit=7)[0] == wanted


def test_a_row_that_is_deleted_after_the_walk_is_not_shown_and_ends_nothing(
    api: Api, caller: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, *others = ranked(matching("talk", status="ended"))
    walked = reads.STREAMS.statements.walked
    walk = walked.walk

    def deleted_meanwhile(*shape: Any, **given: Any) -> Any:
        found = walk(*shape, **given)
        LiveStream.all_objects.filter(pk=second).update(deleted_at=timezone.now(), deleted_by=caller)
        return found

    monkeypatch.setattr(walked, "walk", deleted_meanwhile)
    ids, _, _ = read(api(caller), search="talk", status="ended", limit=1)

    assert ids == [first, *others]
