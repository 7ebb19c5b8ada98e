"""Numbers of rows that cost the same however many there are: they are counted up to a limit."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from django.contrib.postgres.aggregates import ArrayAgg
from django.core.paginator import Page, Paginator
from django.db.models import Count, F, OrderBy, QuerySet, TextField, Value
from django.db.models.functions import Coalesce
from django.utils.functional import cached_property

COUNTED = 5_000  # rows of a list; pages after them are reached with filters or a search
COUNTED_BESIDE = 100  # rows that a number beside a link counts


class _FirstOf(ArrayAgg):
    """The first `most` values, in no order."""

    template = "(%(function)s(%(expressions)s))[:%(most)s]"


class BoundedPaginator(Paginator):
    """Pages of at most the first `COUNTED` rows. `is_bounded` says whether there are more.

    Counting also finds the keys of rows that fit on one page: what is expensive is to find few rows among many.
    """

    @cached_property
    def _counted(self) -> tuple[int, list[str]]:
        """The number of rows, and the keys of at most one page of them."""
        rows: Any = self.object_list
        if not isinstance(rows, QuerySet):
            return len(rows), []
        rows = self._to_count(rows)[: COUNTED + 1]
        if rows.query.combinator:
            return rows.count(), []
        found = rows.values("pk").aggregate(count=Count("pk"), keys=_FirstOf("pk", most=self.per_page))
        return found["count"], found["keys"] or []

    def _to_count(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        return rows.order_by()

    def page(self, number: int | str) -> Page:
        """Finds the keys of the page before its rows: what is joined and computed for rows is left out until then."""
        rows: Any = self.object_list
        if not isinstance(rows, QuerySet):
            return super().page(number)
        number = self.validate_number(number)
        first = (number - 1) * self.per_page
        keys = self._keys(first, first + self.per_page)
        found = {row.pk: row for row in rows.order_by().filter(pk__in=keys)}
        return self._get_page([found[pk] for pk in keys if pk in found], number, self)  # type: ignore[attr-defined]

    def _keys(self, first: int, last: int) -> list[str]:
        """Of the rows at the places `first` to `last` (excluded, from 0)."""
        rows: Any = self.object_list
        if not self.is_bounded:
            rows = _sorted(rows)
        return list(rows.values_list("pk", flat=True)[first:last])

    @property
    def count(self) -> int:
        return min(self._counted[0], COUNTED)

    @property
    def is_bounded(self) -> bool:
        return self._counted[0] > COUNTED

    @property
    def keys_of_all(self) -> list[str] | None:
        """The keys of all rows, in no order; None if they are unknown, or more than a page."""
        count, keys = self._counted
        return keys if len(keys) == count <= COUNTED else None


def _sorted(rows: QuerySet[Any]) -> QuerySet[Any]:
    """In the same order, which PostgreSQL does not read from an index.

    For the few rows of a page it would read an index of the order until it has found them, among all other rows. But
    of lists that are counted to the end it can sort all rows.
    """
    first: Any
    first, *others = rows.query.order_by or (None,)
    if first is None or (isinstance(first, str) and first.lstrip("-") in rows.query.annotations):
        return rows
    if isinstance(first, str):
        column = F(first.lstrip("-"))
        first = column.desc() if first.startswith("-") else column.asc()
    elif not isinstance(first, OrderBy):
        first = first.asc()
    first = first.copy()
    # The same value, which is no column of an index.
    first.set_source_expressions([Coalesce(first.expression, first.expression)])
    return rows.order_by(first, *others)


class IndexedPaginator(BoundedPaginator):
    """For lists in the order of an index: PostgreSQL counts with that index too, instead of reading the table from its
    start until it has found enough rows.
    """

    def _to_count(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        return rows


def numbers_of(parts: Iterable[tuple[str, QuerySet[Any]]]) -> Counter[str]:
    """The numbers of rows by name: of each part up to `COUNTED_BESIDE`, and of parts with the same name the sum.

    One statement. The order of a queryset must be that of an index that finds its rows.
    """
    first, *others = (
        rows.annotate(part=Value(name, output_field=TextField())).values_list("part")[:COUNTED_BESIDE]
        for name, rows in parts
    )
    return Counter(name for (name,) in first.union(*others, all=True))


def written_count(count: int, most: int = COUNTED_BESIDE) -> str:
    """The number as text, of rows that were counted up to `most`: "12", or "99+"."""
    return str(count) if count < most else f"{most - 1}+"
