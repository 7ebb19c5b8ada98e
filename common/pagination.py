"""Lists: pages by number, or after a cursor. What a page costs does not depend on the size of the table."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, ClassVar, NamedTuple

from django.db import models
from django.db.models import F
from django.utils.translation import gettext_lazy as _
from rest_framework import serializers
from rest_framework.response import Response

from common import cursors
from common.cursors import Cursor
from common.fields import OBJECT_ID
from common.queries import ID, Beyond, CountUpTo, Param, Question, Window
from common.refusals import Invalid
from common.rows import ReadSerializer
from common.serializers import ALWAYS, InputSerializer, StrictInteger

LARGEST_PAGE = 2_147_483_647
EXACT_UP_TO = 10_000  # items; above it, a total says "at least"
DEEPEST = 100_000  # items that pages reach
NEXT_CURSOR, TOTAL_COUNT = "X-Next-Cursor", "X-Total-Count"
PLACE = re.compile(f"{OBJECT_ID.pattern}|{cursors.PATTERN}")

type Shape = tuple[tuple[str, Any], ...]


def bounded(count: int) -> tuple[int, dict[str, str]]:
    """What an answer says about a number that was counted up to EXACT_UP_TO + 1, and its headers."""
    return min(count, EXACT_UP_TO), at_least(count > EXACT_UP_TO)


def at_least(is_more: bool) -> dict[str, str]:
    """The header of an answer whose number is less than the real one."""
    return {TOTAL_COUNT: "at-least"} if is_more else {}


class PageTooDeep(Invalid):
    code = "page_too_deep"

    def __init__(self) -> None:
        rule = _("pages reach the first %(deepest)s items; read on with after, the X-Next-Cursor of a page")
        super().__init__("page", rule % {"deepest": f"{DEEPEST:,}"})


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


@dataclass(frozen=True)
class Order:
    """What a list is sorted by: `key`, an expression for a time or an integer. The id breaks ties.

    With `is_nullable`, rows without a value come last in both directions. The list then has two parts, each with an
    index of its own: the rows with a value, in the order of the key, and those without, in the order of their ids.

    `present` and `missing` say in which values of filters rows with and without a value occur, where the database
    guarantees it. Without them, PostgreSQL would read the whole index of a part to find that nothing in it matches.
    """

    key: Any
    is_nullable: bool = False
    present: Mapping[str, Set[Any]] = field(default_factory=dict)
    missing: Mapping[str, Set[Any]] = field(default_factory=dict)

    def parts(self, filters: Mapping[str, Any]) -> list[bool | None]:
        """The parts of the list to read, one after the other: with a value (True), without (False), or all (None)."""
        if not self.is_nullable:
            return [None]
        return [part for part, only in ((True, self.present), (False, self.missing)) if _can_match(filters, only)]


def _can_match(filters: Mapping[str, Any], only: Mapping[str, Set[Any]]) -> bool:
    return all(name not in filters or not values.isdisjoint(filters[name]) for name, values in only.items())


class _Kind(NamedTuple):
    """What distinguishes the statements of pages of one list, filters and order."""

    is_descending: bool
    part: bool | None = None
    begins_here: bool = False  # after the place that was given
    skips: bool = False
    has_total: bool = True


class _Place(NamedTuple):
    """The place after which a page begins: the row with the id `after`. `value` is None among rows without a value."""

    value: Any
    after: str


class Listing:
    """A list endpoint: its rows, its orders and its serializer.

    `name` identifies the list in its cursors and must never change. `select` takes the filters as keyword arguments and
    returns the queryset; a filter that is named in `values` is passed as a `Param`, any other as its value.
    `orders` maps the values of `sortBy` to orders; the first is the default. The serializer must have the id as a
    column. `detail` takes the filters too and annotates what the serializer needs beyond the columns of the model. With
    `subject`, a foreign key, each row is written as the object that it refers to, and its id is the id of the row.

    A page is found in two steps of one statement: a `Window` of keys in the order of an index, then the joins for
    these keys alone. Totals are counted up to `EXACT_UP_TO`.
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
        subject: str | None = None,
    ) -> None:
        self.name = name
        self.serializer = serializer
        self.select = select
        self.values = values
        self.orders = orders
        self.detail = detail
        self._id = f"{subject}_id" if subject else "pk"
        self._columns = [f"{subject}__{column}" for column in serializer.columns()] if subject else serializer.columns()
        self._rows = Question(self._build_rows)
        self._matching = Question(self._build_matching)
        self._anchor = Question(self._build_anchor)
        self._positions: dict[str, tuple[int, int]] = {}
        self._kinds: dict[str, models.Field[Any, Any]] = {}

    def page(self, query: Mapping[str, Any], *, caller: str | None, **given: Any) -> Response:
        """The answer to a validated query. `given` are further filters, which do not come from the query.

        It has the header X-Next-Cursor if there is a next page, and X-Total-Count if the total is not exact. Raises
        PageTooDeep, and Invalid when `after` is an id that does not exist, or a cursor of another list or order.
        """
        page, limit, after = query["page"], query["limit"], query.get("after")
        filters = {name: value for name, value in query.items() if name not in self.filters_not_rows} | given
        filters = {name: value for name, value in filters.items() if value is not None}
        shape: Shape = tuple((name, None if name in self.values else value) for name, value in filters.items())
        sort = query.get("sort_by", next(iter(self.orders)))
        descending = query.get("sort_order", "desc") == "desc"
        place = self._place(after, shape, sort, filters, descending=descending)
        offset = 0 if after else (page - 1) * limit
        if offset >= DEEPEST and self._matching.count(shape, up_to=DEEPEST + 1, **filters) > DEEPEST:
            raise PageTooDeep
        rows = self._found(shape, sort, place, filters, descending=descending, limit=limit + 1, offset=offset)
        if rows:
            total = rows[0][-1]
        elif page == 1 and not after:
            total = 0
        else:
            total = self._matching.count(shape, up_to=EXACT_UP_TO + 1, **filters)
        total, headers = bounded(total)
        has_next = len(rows) > limit
        if has_next:
            headers[NEXT_CURSOR] = self._cursor(rows[limit - 1], shape, sort, descending=descending)
        to_wire = self.serializer.to_wire
        data = {
            "list": [to_wire(row, caller) for row in rows[:limit]],
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

    def _found(
        self,
        shape: Shape,
        sort: str,
        place: _Place | None,
        filters: Mapping[str, Any],
        *,
        descending: bool,
        limit: int,
        offset: int,
    ) -> list[list[Any]]:
        """The rows, from one or both parts of the list. The last value of the first row is the total."""
        rows: list[list[Any]] = []
        for part in self.orders[sort].parts(filters):
            if place is not None and part is True and place.value is None:
                continue  # the page begins after this part
            begins_here = place is not None and (part is not False or place.value is None)
            given = {**filters, "offset": offset}
            if place is not None:
                given |= place._asdict()
            kind = _Kind(descending, part, begins_here, skips=bool(offset), has_total=not rows)
            found = self._rows.rows(shape, sort, kind, limit=limit - len(rows), **given)
            rows += found
            if len(rows) == limit:
                break
            if found:
                offset = 0
            elif offset and part is True:
                offset -= self._matching.count(shape, part, sort, up_to=offset, **filters)
        return rows

    # --- places ---------------------------------------------------------------------------------------

    def _place(
        self, after: str | Cursor | None, shape: Shape, sort: str, filters: Mapping[str, Any], *, descending: bool
    ) -> _Place | None:
        """Raises Invalid."""
        if after is None:
            return None
        if isinstance(after, str):
            rows = self._anchor.rows(shape, sort, **{**filters, "after": after})
            if not rows:
                raise Invalid("after", _("there is nothing with this id"))
            return _Place(rows[0][0], after)
        if after.order != cursors.digest_of(self.name, sort, descending):
            raise Invalid("after", _("this cursor belongs to another list or order"))
        kind = self._kind_of_key(shape, sort)
        try:
            value: Any = cursors.value_of(after.value, kind)
        except cursors.ValueOutOfRange as error:
            raise Invalid("after", _("this is no cursor of this list")) from error
        if self.orders[sort].is_nullable:
            lowest, highest = _missing_value(kind, descending=True), _missing_value(kind, descending=False)
            if not lowest <= value <= highest:
                raise Invalid("after", _("this is no cursor of this list"))
            if value == (lowest if descending else highest):
                value = None
        return _Place(value, after.id)

    def _cursor(self, row: Sequence[Any], shape: Shape, sort: str, *, descending: bool) -> str:
        key, pk = self._position_of_key(sort)
        value = row[key]
        if value is None:
            value = _missing_value(self._kind_of_key(shape, sort), descending=descending)
        order = cursors.digest_of(self.name, sort, descending)
        return Cursor(order, cursors.number_of(value), row[pk]).written()

    def _position_of_key(self, sort: str) -> tuple[int, int]:
        """The positions in a row of the value that it is sorted by, and of its id."""
        known = self._positions.get(sort)
        if known is None:
            key, columns = self.orders[sort].key, self._columns
            at = columns.index(key.name) if _is_column(key, columns) else len(columns)
            known = self._positions[sort] = (at, self.serializer.columns().index("id"))
        return known

    def _kind_of_key(self, shape: Shape, sort: str) -> models.Field[Any, Any]:
        """The field of the parameter that takes a value to sort by."""
        kind = self._kinds.get(sort)
        if kind is None:
            rows = self._filtered(shape).alias(sort_key=self.orders[sort].key)
            kind = self._kinds[sort] = cursors.kind_of(rows.query.annotations["sort_key"].output_field)
        return kind

    # --- querysets ------------------------------------------------------------------------------------

    def _params(self, shape: Shape) -> dict[str, Any]:
        return {name: Param(name, self.values[name]) if name in self.values else value for name, value in shape}

    def _filtered(self, shape: Shape) -> models.QuerySet[Any]:
        return self.select(**self._params(shape))

    def _build_matching(self, shape: Shape, part: bool | None = None, sort: str = "") -> models.QuerySet[Any]:
        return self._part(self._filtered(shape), part, sort).order_by().values_list("pk")

    def _part(self, rows: models.QuerySet[Any], part: bool | None, sort: str) -> models.QuerySet[Any]:
        """The rows of a part of the list; of all parts, which need no `sort`, for None."""
        if part is None:
            return rows
        return rows.alias(sort_key=self.orders[sort].key).filter(sort_key__isnull=not part)

    def _build_anchor(self, shape: Shape, sort: str) -> models.QuerySet[Any]:
        # A row that is deleted or no longer matches the filters is still a position in the order.
        return self._keyed(shape).filter(**{self._id: Param("after", ID)}).values_list(self.orders[sort].key)

    def _keyed(self, shape: Shape) -> models.QuerySet[Any]:
        """All rows of the model, with what the keys of the orders need."""
        return self._filtered(shape).model._base_manager.all()

    def _detailed(self, shape: Shape) -> models.QuerySet[Any]:
        return self._keyed(shape) if self.detail is None else self.detail(**self._params(shape))

    def _build_rows(self, shape: Shape, sort: str, kind: _Kind) -> models.QuerySet[Any]:
        key, after = self.orders[sort].key, Param("after", ID)
        by = [F(self._id)] if kind.part is False else [key, F(self._id)]
        order = [each.desc() if kind.is_descending else each.asc() for each in by]
        matching = self._part(self._filtered(shape), kind.part, sort)
        if kind.begins_here and kind.part is False:
            matching = matching.filter(**{f"{self._id}__{'lt' if kind.is_descending else 'gt'}": after})
        elif kind.begins_here:
            value = Param("value", self._kind_of_key(shape, sort))
            matching = matching.filter(Beyond((key, F(self._id)), (value, after), descending=kind.is_descending))
        beside = [] if _is_column(key, self._columns) else [key]
        if kind.has_total:
            beside.append(CountUpTo(self._filtered(shape), EXACT_UP_TO + 1))
        page = Window(matching.order_by(*order).values("pk"), skips=kind.skips)
        return self._detailed(shape).filter(pk__in=page).order_by(*order).values_list(*self._columns, *beside)


def _is_column(key: Any, columns: Sequence[str]) -> bool:
    """Whether the rows have the value to sort by already."""
    # The type stubs do not know the name of an F.
    return isinstance(key, F) and key.name in columns  # type: ignore[attr-defined]


def _missing_value(kind: models.Field[Any, Any], *, descending: bool) -> Any:
    """What a cursor holds for a missing value: one that comes after all values that occur."""
    if isinstance(kind, models.DateTimeField):
        return datetime(1, 1, 1, tzinfo=UTC) if descending else datetime(9999, 12, 31, tzinfo=UTC)
    return -1 if descending else 32_767
