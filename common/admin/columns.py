"""Columns of lists and values of pages that any app adds to the rows of a lower app, which does not know it.

All columns of one app are read together, with one statement for the rows of a page, however many there are.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Model
from django.http import HttpRequest

from common.refusals import Text


@dataclass(frozen=True)
class Columns:
    """Columns that are read together. `titles` are their headers by name, in their order.

    `read` returns the values by row id and name, with at most one statement. A row or a name without a value shows a
    dash. Only users with `permission` see the columns.
    """

    titles: Mapping[str, Text]
    permission: str
    read: Callable[[Sequence[str]], Mapping[str, Mapping[str, Any]]]


_columns: dict[type[Model], list[Columns]] = defaultdict(list)


def add_columns(model: type[Model], columns: Columns) -> None:
    """Adds columns to the list of `model`, after those that are there. Call it from the `admin` module of an app."""
    known = {name for other in _columns[model] for name in other.titles}
    if clash := known & set(columns.titles):
        raise ValueError(f"{model.__name__} has columns {sorted(clash)} already")
    _columns[model].append(columns)


def columns_for(request: HttpRequest, model: type[Model]) -> list[Columns]:
    return [columns for columns in _columns[model] if request.user.has_perm(columns.permission)]


def values_of(columns: Sequence[Columns], ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    """The values of all columns, by row id and name. One statement for each of `columns`, none without rows."""
    values: dict[str, dict[str, Any]] = {pk: {} for pk in ids}
    for one in columns if ids else ():
        for pk, found in one.read(ids).items():
            values[pk] |= found
    return values


def cell(name: str, title: Text) -> Callable[[Any], Any]:
    """An entry of `list_display` that shows the value `name`, which `with_values` has set."""

    def shown(row: Any) -> Any:
        return row.added_values.get(name)

    shown.__name__ = name
    shown.short_description = title  # type: ignore[attr-defined]
    return shown


def with_values(columns: Sequence[Columns], rows: Sequence[Any]) -> None:
    """Set the values of `columns` as `added_values` of each row."""
    values = values_of(columns, [row.pk for row in rows])
    for row in rows:
        row.added_values = values[row.pk]
