"""Reading a list to its end, page by page, while its rows change."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.api.stream_walks import NOWHERE, World


@dataclass
class Walk:
    """The result of reading a list to its end, page by page, while it changed.

    `stayed` are the rows that were always in the list and never moved past the cursor.
    `crossed` are those that moved past the cursor: they may be read twice or not at all.
    """

    read: list[str]
    stayed: set[str]
    crossed: set[str]
    changes: int


def id_of(item: dict[str, Any]) -> str:
    found: str = item.get("id") or item["_id"]
    return found


def walked(
    world: World, get: Callable[[dict[str, Any]], Any], *, sort: str | None, descending: bool, most_changes: int = 30
) -> Walk:
    """`get` takes the query and returns the response. `sort` is a value of `sortBy`, or None."""
    order = {"sortBy": sort} if sort else {}
    if sort and world.has_directions:
        order["sortOrder"] = "desc" if descending else "asc"
    everything = order | {"limit": 100}
    key = sort or "begin"

    def present() -> set[str]:
        page = get(everything).json()["data"]
        assert not page["pagination"]["hasNextPage"], "too many rows for one page"
        return {id_of(item) for item in page["list"]}

    walk = Walk([], present(), set(), 0)
    after: dict[str, str] = {}
    while True:
        response = get(order | {"limit": world.random.randrange(1, 8)} | after)
        page = response.json()["data"]
        walk.read += map(id_of, page["list"])
        if not page["pagination"]["hasNextPage"]:
            return walk
        after = place_after(response)
        place = world.keys(key, descending).get(walk.read[-1], NOWHERE)

        def is_read(at: tuple[Any, str], place: tuple[Any, str] = place) -> bool:
            return at >= place if descending else at <= place

        for _ in range(min(world.random.randrange(1, 5), most_changes - walk.changes)):
            before = world.keys(key, descending)
            # Often the row that was read last, because the cursor names it.
            world.add_or_change(
                walk.read[-1] if world.random.randrange(2) else world.random.choice(sorted(walk.stayed))
            )
            walk.changes += 1
            now = world.keys(key, descending)
            walk.crossed |= {pk for pk in before.keys() & now.keys() if is_read(before[pk]) != is_read(now[pk])}
            walk.stayed &= present()
        walk.stayed -= walk.crossed


def place_after(response: Any) -> dict[str, str]:
    return {"after": response.headers["X-Next-Cursor"]}
