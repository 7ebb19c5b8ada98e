"""Pages of every list in every order are read while rows are changed, deleted, restored and added."""

from datetime import timedelta
from random import Random
from typing import Any

import pytest

from accounts.models import User
from common import pagination
from common.word_search import FEW
from livestreams import services
from tests.api.operations import Operation, operations
from tests.api.stream_walks import SearchedStreams, World
from tests.api.walking import Walk, walked
from tests.api.walks import LISTS, Users
from tests.conftest import Api
from tests.envelope import data_of
from tests.streams import STREAMS, make_stream

pytestmark = pytest.mark.slow

NEVER_CHANGE = {"createdAt", None}
SEEDS = 2
ROWS = 16


def takes_after(operation: Operation) -> bool:
    return any(parameter["name"] == "after" for parameter in operation.query)


def orders_of(operation: Operation) -> list[tuple[str | None, bool]]:
    """Each value of `sortBy` in each direction that there is, or the only order of a list without `sortBy`."""
    options = {parameter["name"]: parameter["schema"].get("enum") for parameter in operation.query}
    if "sortBy" in options:
        directions = (True, False) if "sortOrder" in options else (True,)
        return [(name, descending) for name in options["sortBy"] for descending in directions]
    return [(None, "upcoming" not in operation.path)]


CASES = [
    pytest.param(str(operation), sort, descending, seed, id=f"{operation}-{sort}-{descending}-{seed}")
    for operation in operations()
    if takes_after(operation)
    for sort, descending in orders_of(operation)
    for seed in range(SEEDS)
]


def test_every_list_of_the_document_is_tested() -> None:
    assert {str(operation) for operation in operations() if takes_after(operation)} == set(LISTS)


@pytest.mark.parametrize(("name", "sort", "descending", "seed"), CASES)
def test_every_row_that_stayed_in_place_is_read_exactly_once(
    name: str, sort: str | None, descending: bool, seed: int, api: Api
) -> None:
    world = LISTS[name](Random(seed))
    for _ in range(ROWS):
        world.add()
    client = api(world.caller)

    walk = walked(
        world, lambda query: client.get(world.address(), world.filters | query), sort=sort, descending=descending
    )

    assert_exact(walk)
    if sort in NEVER_CHANGE and not world.address().endswith(("upcoming", "upcoming-live-streams", "deleted")):
        assert not walk.crossed
        assert len(walk.read) == len(set(walk.read))


def assert_exact(walk: Walk) -> None:
    counts = {pk: walk.read.count(pk) for pk in walk.stayed}
    assert set(counts.values()) == {1}, {pk: count for pk, count in counts.items() if count != 1}
    assert walk.changes >= 2, "between any two pages there is one"


@pytest.mark.parametrize("few", [FEW, -1], ids=["by the index", "by walking"])
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("world_of", [SearchedStreams, Users])
def test_a_search_is_as_exact_in_its_order(
    world_of: type[World], seed: int, few: int, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pagination, "FEW", few)
    world = world_of(Random(seed))
    for _ in range(ROWS):
        world.add()
    client: Any = api(world.caller)
    is_ranked = world_of is SearchedStreams

    walk = walked(
        world,
        lambda query: client.get(world.address(), world.filters | query),
        sort=None,
        descending=not is_ranked,
    )

    assert_exact(walk)


def page(client: Any, **query: Any) -> tuple[list[str], str | None]:
    response = client.get(STREAMS, {"limit": 2} | query)
    return [stream["title"] for stream in data_of(response)["list"]], response.headers.get("X-Next-Cursor")


@pytest.mark.parametrize(
    ("sorting", "changes"),
    [
        ({"sortBy": "updatedAt", "sortOrder": "asc"}, {"title": "renamed"}),
        ({"sortBy": "plannedStartDate", "sortOrder": "asc"}, {"planned_start_at": "later"}),
        ({"sortBy": "plannedStartDate", "sortOrder": "desc"}, {"planned_start_at": None}),
    ],
)
def test_no_row_is_lost_when_the_row_of_the_cursor_moves(
    sorting: dict[str, str], changes: dict[str, Any], api: Api, creator: User, now: Any
) -> None:
    made = [
        make_stream(creator, title=title, now=now, planned_start_at=now + timedelta(hours=number + 1))
        for number, title in enumerate("abcdef")
    ]
    for number, stream in enumerate(made):
        services.edit_stream(
            stream.pk, by=creator, now=now + timedelta(minutes=number), changes={"motivation": f"{number}"}
        )
    order = "abcdef" if sorting["sortOrder"] == "asc" else "fedcba"
    client = api(creator)

    first, cursor = page(client, **sorting)
    last = made["abcdef".index(order[1])]
    if changes.get("planned_start_at") == "later":
        changes = {"planned_start_at": now + timedelta(days=9)}
    services.edit_stream(last.pk, by=creator, now=now + timedelta(hours=1), changes=changes)
    second, _ = page(client, after=cursor, **sorting)

    assert first == list(order[:2])
    assert second == list(order[2:4])
