"""What lists are sorted by, and the parts that a list in some order is read in."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from django.db import models
from django.db.models import F


def _all(rows: models.QuerySet[Any]) -> models.QuerySet[Any]:
    return rows


@dataclass(frozen=True)
class Part:
    """Rows that stand together in a list, in the order of an index: by `key`, then by id; without a key by id alone.

    `of` selects them from the rows of the list. `only` says in which values of filters they occur, where the database
    guarantees it: without it, PostgreSQL would read the whole index of the part to find that nothing in it matches.
    `is_descending` is the direction, if it is not the one that is asked for.
    """

    key: Any
    of: Callable[[models.QuerySet[Any]], models.QuerySet[Any]] = _all
    only: Mapping[str, Set[Any]] = field(default_factory=dict)
    is_descending: bool | None = None

    def can_match(self, filters: Mapping[str, Any]) -> bool:
        return all(name not in filters or not values.isdisjoint(filters[name]) for name, values in self.only.items())

    def descends(self, *, asked: bool) -> bool:
        return asked if self.is_descending is None else self.is_descending


class Order:
    """What a list is sorted by: a time or an integer. The id breaks ties.

    With `is_nullable`, rows without a value come last in both directions. The list then has two parts, each with an
    index of its own: the rows with a value, in the order of the key, and those without, in the order of their ids.
    `present` and `missing` are the `only` of these parts.
    """

    parts: Sequence[Part]

    def __init__(
        self,
        key: Any,
        *,
        is_nullable: bool = False,
        present: Mapping[str, Set[Any]] | None = None,
        missing: Mapping[str, Set[Any]] | None = None,
    ) -> None:
        self.is_nullable = is_nullable
        self.parts = (Part(key),)
        if is_nullable:
            with_value = lambda rows: rows.alias(sort_key=key).filter(sort_key__isnull=False)  # noqa: E731
            without = lambda rows: rows.alias(sort_key=key).filter(sort_key__isnull=True)  # noqa: E731
            self.parts = (Part(key, with_value, present or {}), Part(None, without, missing or {}))

    def to_read(self, filters: Mapping[str, Any]) -> list[int]:
        """The numbers of the parts to read, one after the other."""
        return [number for number, part in enumerate(self.parts) if part.can_match(filters)]

    def name(self, sort: str, number: int) -> str:
        """What a cursor in this part of the order `sort` contains. The two parts of a nullable order share a name."""
        return sort


class RankedOrder(Order):
    """Parts with keys and directions of their own, the first of which rank highest. No `sortOrder` changes it."""

    def __init__(self, *parts: Part) -> None:
        self.is_nullable = False
        self.parts = parts

    def name(self, sort: str, number: int) -> str:
        return f"{sort}.{number}"


def is_column(key: Any, columns: Sequence[str]) -> bool:
    """Whether the rows have the value to sort by already."""
    # The type stubs do not know the name of an F.
    return isinstance(key, F) and key.name in columns  # type: ignore[attr-defined]


def missing_value(kind: models.Field[Any, Any], *, descending: bool) -> Any:
    """What a cursor holds for a missing value: one that comes after all values that occur."""
    if isinstance(kind, models.DateTimeField):
        return datetime(1, 1, 1, tzinfo=UTC) if descending else datetime(9999, 12, 31, tzinfo=UTC)
    return -1 if descending else 32_767
