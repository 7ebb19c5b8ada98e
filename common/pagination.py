"""Lists: pages by number, or after a cursor. What a page costs does not depend on the size of the table."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Hashable, Iterator, Mapping, Sequence, Set
from dataclasses import KW_ONLY, dataclass
from datetime import datetime
from functools import partial
from typing import Any, ClassVar, NamedTuple

from django.db import models
from django.utils.translation import gettext_lazy as _
from rest_framework import serializers
from rest_framework.response import Response

from common import cursors
from common.cursors import Cursor
from common.fields import OBJECT_ID
from common.list_statements import EXACT_UP_TO, Kind, ListStatements, Shape
from common.orders import Order, missing_value
from common.refusals import Invalid
from common.replica.reading import stay_on_primary, was_replica_read
from common.rows import ReadSerializer
from common.serializers import ALWAYS, InputSerializer, StrictInteger
from common.totals import LargeTotals
from common.word_search import FEW, MANY, WALKS, Search, patterns, words_of

LARGEST_PAGE = 2_147_483_647
DEEPEST = 100_000  # items that pages reach
NEXT_CURSOR, TOTAL_COUNT = "X-Next-Cursor", "X-Total-Count"
PLACE = re.compile(f"{OBJECT_ID.pattern}|{cursors.PATTERN}")


def bounded(count: int) -> tuple[int, dict[str, str]]:
    """What an answer says about a number that was counted up to EXACT_UP_TO + 1, and its headers."""
    return min(count, EXACT_UP_TO), at_least(count > EXACT_UP_TO)


def at_least(is_more: bool) -> dict[str, str]:
    """The header of an answer whose number is less than the real one."""
    return {TOTAL_COUNT: "at-least"} if is_more else {}


class PageTooDeep(Invalid):
    code = "page_too_deep"

    def __init__(self, *, walked: bool = False) -> None:
        if walked:
            rule: Any = _("pages of this search reach no further; read on with after, the X-Next-Cursor of a page")
        else:
            rule = _("pages reach the first %(deepest)s items; read on with after, the X-Next-Cursor of a page")
            rule = rule % {"deepest": f"{DEEPEST:,}"}
        super().__init__("page", rule)


class PlaceField(serializers.CharField):
    """The position after which a page begins: an id as text, or a decoded Cursor."""

    default_error_messages: ClassVar = {
        **ALWAYS,
        "invalid": _("must be 24 lower-case hexadecimal characters, or the X-Next-Cursor of a page"),
    }

    def to_internal_value(self, data: Any) -> Any:
        if not (isinstance(data, str) and PLACE.fullmatch(data)):
            self.fail("invalid")
        place = data if len(data) != cursors.LENGTH else cursors.read(data)
        if place is None:
            self.fail("invalid")
        return place

    def run_validation(self, data: Any = serializers.empty) -> Any:
        # As in IdField, an empty text does not count as missing.
        return serializers.Field.run_validation(self, data)


class PageQuery(InputSerializer):
    """The query parameters of every list."""

    empty_is_absent = False
    page = StrictInteger(min_value=1, max_value=LARGEST_PAGE, default=1, help_text="Which page, from 1.")
    limit = StrictInteger(min_value=1, max_value=100, default=10, help_text="Items a page.")
    after = PlaceField(
        required=False,
        help_text="The `X-Next-Cursor` of the page before: gives what comes after it. `page` is ignored. Also the id "
        "of the last item that you have, which is safe only in orders whose value never changes.",
    )


class _Asked(NamedTuple):
    """Which rows are asked for, in which order."""

    shape: Shape
    filters: dict[str, Any]
    sort: str
    is_descending: bool
    passing: frozenset[str]  # filters that follow the clock

    def matching(self, *, ignored: Set[str]) -> Hashable:
        """Distinguishes the rows that match, in whatever order. The filters `ignored` select none.

        Filters that follow the clock move on together, so that only the times between them distinguish.
        """
        times = [(name, self.filters[name]) for name in sorted(self.passing - ignored)]
        apart = tuple((name, time - times[0][1]) for name, time in times)
        return apart, tuple((name, value) for name, value in self.filters.items() if name not in self.passing | ignored)


class _Place(NamedTuple):
    """A place in the part `part` of an order: that of the row with the id `id`. `value` is None where there is none."""

    part: int
    value: Any
    id: str


class _Found(NamedTuple):
    """Rows with the numbers of their parts, and the total, which is `is_exact` or at least.

    `ended_at` is the place where a walk ended before it had found all rows of the page.
    """

    rows: list[tuple[int, list[Any]]]
    total: int
    is_exact: bool
    ended_at: _Place | None = None


def _stay_on_server(after: str | Cursor | None) -> None:
    """A walk that has begun on the primary stays there, where a replica may lack rows that the walk would then miss.

    Where a plain id comes from is not known.
    """
    if isinstance(after, str) or (after is not None and not after.is_of_replica):
        stay_on_primary()


@dataclass(eq=False, repr=False)
class Listing:
    """A list endpoint: its rows, its orders and its serializer.

    `name` identifies the list in its cursors and must never change. `select` takes the filters as keyword arguments and
    returns the queryset; a filter that is named in `values` is passed as a `Param`, any other as its value.
    `orders` maps the values of `sortBy` to orders; the first is the default. The serializer must have the id as a
    column. `detail` takes the filters too and annotates what the serializer needs beyond the columns of the model. With
    `subject`, a foreign key, each row is written as the object that it refers to, and its id is the id of the row;
    the columns `of_row` of the serializer are those of the row itself.
    `places` takes the filters and returns the rows whose ids are places in the list, by default all of the model.
    `partitioned_by` has the key of the partitions of the model's table. `from_replica` is that of `Question`. `counted`
    returns the rows of `select` in the form and order in which they are counted. Filters `of_detail` select no rows.
    With one of the filters `counted_in_order`, which bound the key of the first order, rows are counted in this order:
    PostgreSQL does not know how many such a filter leaves, and would read the table from its start.

    A page is found in two steps of one statement: a `Window` of keys in the order of an index, then the joins for
    these keys alone. Totals are counted up to `EXACT_UP_TO`, and not at each call where they are known to be larger.

    With `search`, the filter of this name is a folded text of words, and each page reads a bounded number of rows. What
    few rows match is listed like any other list. Else a page walks through the list, and may end where the walk ends:
    then it has fewer rows than asked for, and the next page goes on from there.
    """

    name: str
    serializer: type[ReadSerializer]
    select: Callable[..., models.QuerySet[Any]]
    _: KW_ONLY
    values: Mapping[str, models.Field[Any, Any]]
    orders: Mapping[str, Order]
    detail: Callable[..., models.QuerySet[Any]] | None = None
    places: Callable[..., models.QuerySet[Any]] | None = None
    subject: str | None = None
    of_row: Collection[str] = ()
    search: Search | None = None
    partitioned_by: Sequence[str] = ()
    from_replica: bool = False
    counted: Callable[..., models.QuerySet[Any]] | None = None
    of_detail: Set[str] = frozenset()
    counted_in_order: Set[str] = frozenset()

    large_totals: ClassVar[LargeTotals] = LargeTotals()
    filters_not_rows: ClassVar[frozenset[str]] = frozenset({"page", "limit", "after", "sort_by", "sort_order"})

    def __post_init__(self) -> None:
        if self.from_replica and self.search is not None:
            self.search.read_from_replica()
        self.statements = ListStatements(self)

    def page(self, query: Mapping[str, Any], *, caller: str | None, **given: Any) -> Response:
        """The answer to a validated query. `given` are further filters, which do not come from the query.

        It has the header X-Next-Cursor if there is a next page, and X-Total-Count if the total is not exact. Raises
        PageTooDeep, and Invalid when `after` is an id that does not exist, or a cursor of another list or order.
        """
        page, limit, after = query["page"], query["limit"], query.get("after")
        filters = {name: value for name, value in query.items() if name not in self.filters_not_rows} | given
        filters = {name: value for name, value in filters.items() if value is not None}
        sort, descending = query.get("sort_by", next(iter(self.orders))), query.get("sort_order", "desc") == "desc"
        text = filters.pop("search", None)
        passing = frozenset(name for name, value in given.items() if isinstance(value, datetime))
        asked = _Asked(self.statements.shape_of(filters), filters, sort, descending, passing)
        _stay_on_server(after)
        place = self._place(after, asked)
        offset = 0 if after else (page - 1) * limit
        if text is None:
            found = self._found(asked, place, limit=limit + 1, offset=offset)
        else:
            found = self._searched(asked, words_of(text), place, limit=limit + 1, offset=offset)
        rows, total = found.rows, found.total
        headers = at_least(not found.is_exact)
        has_next = len(rows) > limit or found.ended_at is not None
        if has_next:
            last = self._place_of(asked, *rows[limit - 1]) if len(rows) > limit else found.ended_at
            assert last is not None  # noqa: S101 - one of the two is the reason for a next page
            headers[NEXT_CURSOR] = self._cursor(last, asked)
        to_wire = self.serializer.to_wire
        data = {
            "list": [to_wire(row, caller) for _, row in rows[:limit]],
            "pagination": {
                "currentPage": 1 if after else page,
                "totalPages": -(-total // limit),
                "totalItems": total,
                "itemsPerPage": limit,
                "hasNextPage": has_next,
                "hasPrevPage": total > 0 and (after is not None or page > 1),
            },
        }
        return Response(data, headers=headers)

    def _found(self, asked: _Asked, place: _Place | None, *, limit: int, offset: int) -> _Found:
        """At most `limit` rows, from one or more parts of the list."""
        if offset >= DEEPEST and self._count(asked, up_to=DEEPEST + 1) > DEEPEST:
            raise PageTooDeep
        # What a search has found is too few, and would be much to compare.
        is_large = "found" not in asked.filters and self.large_totals.holds(self._key_of_total(asked))
        rows: list[tuple[int, list[Any]]] = []
        skipped = offset
        for part, here in self._parts(asked, place):
            given = {**asked.filters, "offset": skipped}
            if here is not None:
                given |= {"value": here.value, "after": here.id}
            kind = Kind(asked.is_descending, part, here is not None, bool(skipped), has_total=not (is_large or rows))
            found = self.statements.rows.rows(asked.shape, asked.sort, kind, limit=limit - len(rows), **given)
            rows += [(part, row) for row in found]
            if len(rows) == limit:
                break
            if found:
                skipped = 0
            elif skipped:
                skipped -= self._count(asked, part, up_to=skipped)
        if is_large:
            return _Found(rows, EXACT_UP_TO, is_exact=False)
        is_first = not offset and place is None
        total = self._total(asked, rows[0][1][-1] if rows else 0 if is_first else None)
        return _Found(rows, min(total, EXACT_UP_TO), total <= EXACT_UP_TO)

    def _total(self, asked: _Asked, counted: int | None) -> int:
        """The total, which the rows of the page have `counted`; None for a page without rows."""
        total = self._count(asked, up_to=EXACT_UP_TO + 1) if counted is None else counted
        if total > EXACT_UP_TO:
            twice = 2 * EXACT_UP_TO
            key = self._key_of_total(asked)
            self.large_totals.exceeded(key, is_twice=lambda: self._count(asked, up_to=twice) == twice)
        return total

    def _key_of_total(self, asked: _Asked) -> Hashable:
        return self, asked.matching(ignored=self.of_detail)

    def _parts(self, asked: _Asked, place: _Place | None) -> Iterator[tuple[int, _Place | None]]:
        """The parts to read, and the place where to begin in each if not at its beginning."""
        for part in self.orders[asked.sort].to_read(asked.filters):
            if place is None or part >= place.part:
                yield part, place if place is not None and part == place.part else None

    def _count(self, asked: _Asked, part: int | None = None, *, up_to: int) -> int:
        """The number of rows, of all parts without `part`; at most `up_to`."""
        return self.statements.matching.count(asked.shape, part, asked.sort, up_to=up_to, **asked.filters)

    # --- searches -------------------------------------------------------------------------------------

    def _searched(
        self, asked: _Asked, words: Sequence[str], place: _Place | None, *, limit: int, offset: int
    ) -> _Found:
        """See `Search`. Raises PageTooDeep when walks do not reach the page."""
        assert self.search is not None  # noqa: S101 - other lists have no such filter

        def matching(keys: list[str]) -> _Found:
            return self._found(self._with(asked, "found", keys), place, limit=limit, offset=offset)

        walk = partial(self._walked, self._with(asked, "words", patterns(words)), place, limit=limit, offset=offset)
        if self.search.may_find(words):
            if (keys := self.search.found(words, up_to=FEW)) is not None:
                return matching(keys)
            if (walked := walk(most=1)).ended_at is None:
                return walked
            if (keys := self.search.found(words, up_to=MANY)) is not None:
                return matching(keys)
        walked = walk(most=WALKS)
        if walked.ended_at is not None and offset and not walked.rows:
            raise PageTooDeep(walked=True)
        return walked

    def _with(self, asked: _Asked, name: str, value: Any) -> _Asked:
        filters = {**asked.filters, name: value}
        return asked._replace(shape=self.statements.shape_of(filters), filters=filters)

    def _walked(self, asked: _Asked, place: _Place | None, *, limit: int, offset: int, most: int) -> _Found:
        """At most `limit` rows, of as many as `most` walks pass. The total is the number of those that they found."""
        assert self.search is not None  # noqa: S101 - other lists have no such filter
        rows: list[tuple[int, list[Any]]] = []
        total, taken, walks = 0, 0, 0
        for part, beginning in self._parts(asked, place):
            here = beginning
            while True:
                kind = Kind(asked.is_descending, part, here is not None)
                given = asked.filters if here is None else {**asked.filters, "value": here.value, "after": here.id}
                up_to = self.search.walked
                keys, end = self.statements.walked.walk(asked.shape, asked.sort, kind, up_to=up_to, **given)
                wanted = keys[max(0, offset - total) :][: limit - taken]
                total, taken, walks = total + len(keys), taken + len(wanted), walks + 1
                if wanted:
                    whole = Kind(asked.is_descending, part)
                    found = self.statements.rows_walked.rows(
                        asked.shape, asked.sort, whole, **asked.filters, keys=wanted
                    )
                    rows += [(part, row) for row in found]
                here = None if end is None else _Place(part, *end)
                if taken == limit and (here is not None or place is not None or walks >= most):
                    return self._unless_lost(asked, rows, limit, _Found(rows, total, is_exact=False))
                if here is None:
                    break  # on to the next part, if only to complete the total
                if walks >= most:
                    return _Found(rows, total, is_exact=False, ended_at=here)
        return self._unless_lost(asked, rows, limit if taken == limit else 0, _Found(rows, total, place is None))

    def _unless_lost(self, asked: _Asked, rows: list[tuple[int, list[Any]]], expected: int, found: _Found) -> _Found:
        """`found`; its page goes on after its last row if some of the `expected` rows were deleted since the walk."""
        if rows and len(rows) < expected:
            return found._replace(ended_at=self._place_of(asked, *rows[-1]))
        return found

    # --- places ---------------------------------------------------------------------------------------

    def _place(self, after: str | Cursor | None, asked: _Asked) -> _Place | None:
        """Raises Invalid."""
        if after is None:
            return None
        order = self.orders[asked.sort]
        if isinstance(after, str):
            for part in range(len(order.parts)):
                given = {**asked.filters, "after": after}
                if rows := self.statements.anchor.rows(asked.shape, asked.sort, part, **given):
                    return _Place(part, rows[0][0], after)
            raise Invalid("after", _("there is nothing with this id"))
        names = [self._digest(asked, part) for part in range(len(order.parts))]
        if after.order not in names:
            raise Invalid("after", _("this cursor belongs to another list or order"))
        part = names.index(after.order)
        kind = self.statements.kind_of_key(asked.shape, asked.sort, part)
        try:
            value: Any = cursors.value_of(after.value, kind)
        except cursors.ValueOutOfRange as error:
            raise Invalid("after", _("this is no cursor of this list")) from error
        if order.is_nullable:
            lowest, highest = missing_value(kind, descending=True), missing_value(kind, descending=False)
            if not lowest <= value <= highest:
                raise Invalid("after", _("this is no cursor of this list"))
            if value == (lowest if asked.is_descending else highest):
                return _Place(part + 1, None, after.id)
        return _Place(part, value, after.id)

    def _place_of(self, asked: _Asked, part: int, row: Sequence[Any]) -> _Place:
        key, pk = self.statements.position_of_key(asked.sort, part)
        return _Place(part, None if key is None else row[key], row[pk])

    def _cursor(self, place: _Place, asked: _Asked) -> str:
        value = place.value
        if self.orders[asked.sort].parts[place.part].key is None:
            kind = self.statements.kind_of_key(asked.shape, asked.sort, 0)
            value = missing_value(kind, descending=asked.is_descending)
        number = cursors.number_of(value)
        return Cursor(self._digest(asked, place.part), number, place.id, is_of_replica=was_replica_read()).written()

    def _digest(self, asked: _Asked, part: int) -> bytes:
        order = self.orders[asked.sort].name(asked.sort, part)
        return cursors.digest_of(self.name, order, asked.is_descending)
