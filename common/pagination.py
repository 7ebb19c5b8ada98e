"""Lists: pages by number, or after a cursor. What a page costs does not depend on the size of the table."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
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
from common.rows import ReadSerializer
from common.serializers import ALWAYS, InputSerializer, StrictInteger
from common.word_search import Search, patterns, words_of

LARGEST_PAGE = 2_147_483_647
DEEPEST = 100_000  # items that pages reach
NEXT_CURSOR, TOTAL_COUNT = "X-Next-Cursor", "X-Total-Count"
PLACE = re.compile(f"{OBJECT_ID.pattern}|{cursors.PATTERN}")


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


class _Walked(NamedTuple):
    """A walk from the beginning of a part: how many of the rows match, and whether they are all rows of the part."""

    matching: int
    is_all: bool


class _Asked(NamedTuple):
    """Which rows are asked for, in which order. `walked` has the parts, if rows are compared with words one by one."""

    shape: Shape
    filters: dict[str, Any]
    sort: str
    is_descending: bool
    walked: dict[int, _Walked] | None = None


class _Place(NamedTuple):
    """A place in the part `part` of an order: that of the row with the id `id`. `value` is None where there is none."""

    part: int
    value: Any
    id: str


class _Found(NamedTuple):
    """Rows with the numbers of their parts, and the place where a walk ended that did not reach the end of the list."""

    rows: list[tuple[int, list[Any]]]
    ended_at: _Place | None


class Listing:
    """A list endpoint: its rows, its orders and its serializer.

    `name` identifies the list in its cursors and must never change. `select` takes the filters as keyword arguments and
    returns the queryset; a filter that is named in `values` is passed as a `Param`, any other as its value.
    `orders` maps the values of `sortBy` to orders; the first is the default. The serializer must have the id as a
    column. `detail` takes the filters too and annotates what the serializer needs beyond the columns of the model. With
    `subject`, a foreign key, each row is written as the object that it refers to, and its id is the id of the row.
    `places` takes the filters and returns the rows whose ids are places in the list, by default all of the model.

    A page is found in two steps of one statement: a `Window` of keys in the order of an index, then the joins for
    these keys alone. Totals are counted up to `EXACT_UP_TO`.

    With `search`, the filter of this name is a folded text of words, and each page reads a bounded number of rows. What
    few rows match is listed like any other list. Else a page walks through the list, and ends where the walk ends:
    it may have fewer rows than asked for, and the next page goes on from there.
    """

    filters_not_rows: ClassVar[frozenset[str]] = frozenset({"page", "limit", "after", "sort_by", "sort_order"})

    def __init__(
        self,
        name: str,
        serializer: type[ReadSerializer],
        select: Callable[..., models.QuerySet[Any]],
        *,
        values: Mapping[str, models.Field[Any, Any]],
        orders: Mapping[str, Order],
        detail: Callable[..., models.QuerySet[Any]] | None = None,
        places: Callable[..., models.QuerySet[Any]] | None = None,
        subject: str | None = None,
        search: Search | None = None,
    ) -> None:
        self.name = name
        self.serializer = serializer
        self.orders = orders
        self.search = search
        self.statements = ListStatements(
            serializer=serializer,
            select=select,
            values=values,
            orders=orders,
            detail=detail,
            places=places,
            subject=subject,
            search=search,
        )

    def page(self, query: Mapping[str, Any], *, caller: str | None, **given: Any) -> Response:
        """The answer to a validated query. `given` are further filters, which do not come from the query.

        It has the header X-Next-Cursor if there is a next page, and X-Total-Count if the total is not exact. Raises
        PageTooDeep, and Invalid when `after` is an id that does not exist, or a cursor of another list or order.
        """
        page, limit, after = query["page"], query["limit"], query.get("after")
        asked = self._asked(query, given)
        place = self._place(after, asked)
        offset = 0 if after else (page - 1) * limit
        if offset >= DEEPEST and self._count(asked, up_to=DEEPEST + 1) > DEEPEST:
            raise PageTooDeep
        found = self._found(asked, place, limit=limit + 1, offset=offset)
        rows = found.rows
        if not rows and found.ended_at and offset:
            raise PageTooDeep(walked=True)
        total, is_exact = self._total(asked, found, is_first=page == 1 and not after)
        headers = {} if is_exact else {TOTAL_COUNT: "at-least"}
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

    def _asked(self, query: Mapping[str, Any], given: Mapping[str, Any]) -> _Asked:
        filters = {name: value for name, value in query.items() if name not in self.filters_not_rows} | dict(given)
        filters = {name: value for name, value in filters.items() if value is not None}
        sort = query.get("sort_by", next(iter(self.orders)))
        descending = query.get("sort_order", "desc") == "desc"
        if self.search is None or (text := filters.pop("search", None)) is None:
            return _Asked(self.statements.shape_of(filters), filters, sort, descending)
        words = words_of(text)
        few = self.search.few(words)
        if few is not None:
            filters["found"] = few
            return _Asked(self.statements.shape_of(filters), filters, sort, descending)
        filters["words"] = patterns(words)
        shape, walked, up_to = self.statements.shape_of(filters), {}, self.search.walked
        for part in self.orders[sort].to_read(filters):
            kind = Kind(descending, part, walks=True)
            matching, rows = self.statements.walked.matches(shape, sort, kind, up_to=up_to, **filters)
            walked[part] = _Walked(matching, is_all=rows < up_to)
        return _Asked(shape, filters, sort, descending, walked)

    def _found(self, asked: _Asked, place: _Place | None, *, limit: int, offset: int) -> _Found:
        """At most `limit` rows, from one or more parts of the list. The last value of the first row is the total."""
        rows: list[tuple[int, list[Any]]] = []
        for part in self.orders[asked.sort].to_read(asked.filters):
            if place is not None and part < place.part:
                continue  # the page begins after this part
            given = {**asked.filters, "offset": offset}
            begins_here = place is not None and part == place.part
            if place is not None:
                given |= {"value": place.value, "after": place.id}
            walked = asked.walked[part] if asked.walked is not None else None
            has_total = not rows and walked is None
            kind = Kind(asked.is_descending, part, begins_here, bool(offset), has_total, walked is not None)
            found = self.statements.rows.rows(asked.shape, asked.sort, kind, limit=limit - len(rows), **given)
            rows += [(part, row) for row in found]
            if len(rows) == limit:
                break
            if walked is not None and not walked.is_all and (ended_at := self._end_of_walk(asked, kind, given)):
                return _Found(rows, ended_at)
            if found:
                offset = 0
            elif offset:
                offset -= self._count(asked, part, up_to=offset)
        return _Found(rows, None)

    def _end_of_walk(self, asked: _Asked, kind: Kind, given: Mapping[str, Any]) -> _Place | None:
        """The place where a walk through a part ended; None if it reached the end of the part."""
        assert self.search is not None  # noqa: S101 - nothing else walks
        walk = kind._replace(skips=False)
        row = self.statements.walked.nth(asked.shape, asked.sort, walk, number=self.search.walked, **given)
        return None if row is None else _Place(kind.part, row[-2], row[-1])

    # --- totals ---------------------------------------------------------------------------------------

    def _total(self, asked: _Asked, found: _Found, *, is_first: bool) -> tuple[int, bool]:
        """The number of items, at least, and whether it is exact. That of a walk is the same for each page."""
        if asked.walked is not None:
            walked = asked.walked.values()
            return sum(part.matching for part in walked), all(part.is_all for part in walked)
        total = 0
        if found.rows:
            total = found.rows[0][1][-1]
        elif not is_first:
            total = self._count(asked, up_to=EXACT_UP_TO + 1)
        return min(total, EXACT_UP_TO), total <= EXACT_UP_TO

    def _count(self, asked: _Asked, part: int | None = None, *, up_to: int) -> int:
        """The number of rows, of all parts without `part`; at most `up_to`."""
        if asked.walked is None:
            return self.statements.matching.count(asked.shape, part, asked.sort, up_to=up_to, **asked.filters)
        return sum(walked.matching for number, walked in asked.walked.items() if part in (None, number))

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
        return Cursor(self._digest(asked, place.part), cursors.number_of(value), place.id).written()

    def _digest(self, asked: _Asked, part: int) -> bytes:
        order = self.orders[asked.sort].name(asked.sort, part)
        return cursors.digest_of(self.name, order, asked.is_descending)
