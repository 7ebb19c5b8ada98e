"""Every list, order and filter of the OpenAPI document, as calls."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

# What to send for parameters that are no enumerations.
VALUES: dict[str, list[Any]] = {
    "search": ["friends", "talk about friends 9980", "ada", "ada kaya", "nothing like it", "zq"],
    "q": ["ada", "ada kaya", "user77", "nothing like it", "zq"],
    "interest": ["music"],
    "creatorId": ["user"],
    "targetUserId": ["user"],
    "targetUser": ["user7"],
    "liveStreamId": ["stream"],
    "plannedFrom": ["2027-06-01T00:00:00Z"],
    "plannedTo": ["2027-06-08T00:00:00Z"],
    "startDate": ["2026-01-01T00:00:00Z"],
    "endDate": ["2026-01-02T00:00:00Z"],
    "hoursBefore": [0],
    "hoursAfter": [24 * 365],
    "minutesBefore": [0],
    "minutesAfter": [60 * 24 * 365],
    "read": ["true", "false"],
}
PAGING = {"page", "limit", "after"}
# Reads that have no pages, and still search a table that grows or count its rows.
UNPAGED = {
    "getNotificationsUnreadCountV1",
    "getLiveStreamByChannelByChannelnameV1",
    "getLiveStreamByIdFeedbackV1",
    "getLiveStreamByIdStatisticsV1",
    "getLiveStreamUserByUseridActiveStreamV1",
    "listLiveStreamCatchStreamersV1",
    "listLiveStreamFeaturedV1",
    "listLiveStreamMostWatchedCreatorsV1",
}


@dataclass(frozen=True)
class Case:
    operation: str
    path: str
    query: dict[str, Any]
    has_pages: bool = True

    def __str__(self) -> str:
        return " ".join([f"`{self.operation}`", *(f"{name}={value}" for name, value in self.query.items())])

    def call(self, ids: Mapping[str, str]) -> tuple[str, dict[str, Any]]:
        """Path and query, with the ids of a `user` and of a `stream`, and the name of its `channel`."""
        path = self.path.replace("{userId}", ids["user"]).replace("{id}", ids["stream"])
        path = path.replace("{channelName}", ids["channel"])
        return path, {name: ids.get(value, value) for name, value in self.query.items()}


def cases(document: dict[str, Any]) -> Iterator[Case]:
    """Each list alone, in each order, with each filter, with each state in each order, and deep; and UNPAGED."""
    for path, methods in document["paths"].items():
        declared = methods.get("get", {})
        query = [one for one in declared.get("parameters", []) if one.get("in") == "query"]
        schemas = {one["name"]: one["schema"] for one in query}
        name = declared.get("operationId")
        if name in UNPAGED:
            yield Case(name, path, {}, has_pages=False)
        if "page" not in schemas:
            continue
        orders: list[dict[str, Any]] = [{}]
        if "sortBy" in schemas:
            keys = [key for key in ("sortBy", "sortOrder") if key in schemas]
            options = [schemas[key]["enum"] for key in keys]
            orders = [dict(zip(keys, chosen, strict=True)) for chosen in product(*options)]
        filters = schemas.keys() - PAGING - {"sortBy", "sortOrder"}
        if required := [one["name"] for one in query if one.get("required")]:
            filters = set(required)
        else:
            yield from (Case(name, path, order) for order in orders)
            yield Case(name, path, {"page": 100, "limit": 100})
        for parameter in sorted(filters):
            for value in values_of(parameter, schemas[parameter]):
                for order in orders if parameter == "status" else [{}]:
                    yield Case(name, path, {parameter: value} | order)


def values_of(parameter: str, schema: dict[str, Any]) -> list[Any]:
    """Raises KeyError for a new parameter: add it to VALUES."""
    enumeration = schema.get("enum") or schema.get("items", {}).get("enum")
    return enumeration or VALUES[parameter]
