"""Lists in one statement with the exact total: pages by number (OFFSET) and by cursor (keyset pagination)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

from django.db import models
from django.db.models import F, Q, Subquery
from django.utils.translation import gettext_lazy as _
from rest_framework import serializers
from rest_framework.response import Response

from common import cursors
from common.cursors import Cursor
from common.fields import OBJECT_ID
from common.queries import ID, Param, Question, count_of
from common.refusals import Invalid
from common.rows import ReadSerializer
from common.serializers import ALWAYS, InputSerializer, StrictInteger

LARGEST_PAGE = 2_147_483_647
NEXT_CURSOR = "X-Next-Cursor"
PLACE = re.compile(f"{OBJECT_ID.pattern}|{cursors.PATTERN}")

type Ordering = Callable[[bool], Any]
type Shape = tuple[tuple[str, Any], ...]


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
    """The query parameters that all lists have."""

    empty_is_absent = False
    page = StrictInteger(min_value=1, max_value=LARGEST_PAGE, default=1, help_text="Which page, from 1.")
    limit = StrictInteger(min_value=1, max_value=100, default=10, help_text="Items a page.")
    after = PlaceField(
        required=False,
        help_text="The `X-Next-Cursor` of the page before: gives what comes after it. `page` is ignored. Also the id "
        "of the last item that you have, which is safe only in orders whose value never changes.",
    )


class _Place(NamedTuple):
    """Where a page begins. `kind` selects the statement, `holes` are values of its parameters."""

    kind: str
    holes: dict[str, Any]


_START, _AFTER_ID, _AFTER_CURSOR = "start", "id", "cursor"


class Listing:
    """A list endpoint: its rows, its orders and its serializer.

    `name` identifies the list in its cursors and must never change. `select` takes the filters as keyword arguments and
    returns the queryset; a filter that is named in `values` is passed as a `Param`, any other as its value. `orders`
    maps each value of `sortBy` to a function of `descending` that returns the sort key: a time or an integer that is
    never null. The id is the last sort key, so that the order is total. The serializer must have the id as a column.
    """

    filters_not_rows: ClassVar[frozenset[str]] = frozenset({"page", "limit", "after", "sort_by", "sort_order"})

    def __init__(
        self,
        name: str,
        serializer: type[ReadSerializer],
        select: Callable[..., models.QuerySet[Any]],
        *,
        values: Mapping[str, models.Field[Any, Any]],
        orders: Mapping[str, Ordering],
    ) -> None:
        self.name = name
        self.serializer = serializer
        self.select = select
        self.values = values
        self.orders = orders
        self._rows = Question(self._build_rows)
        self._total = Question(self._build_total)
        self._anchor = Question(self._build_anchor)
        self._positions: dict[tuple[str, bool], tuple[int, int]] = {}
        self._kinds: dict[str, models.Field[Any, Any]] = {}

    def page(self, query: Mapping[str, Any], *, caller: str | None, **given: Any) -> Response:
        """The answer to a validated query. `given` are further filters, which do not come from the query.

        It has the header X-Next-Cursor if there is a next page. Raises Invalid when `after` is an id that does not
        exist, or a cursor of another list or order.
        """
        page, limit, after = query["page"], query["limit"], query.get("after")
        filters = {name: value for name, value in query.items() if name not in self.filters_not_rows} | given
        shape: Shape = tuple(
            (name, None if name in self.values else value) for name, value in filters.items() if value is not None
        )
        sort = query.get("sort_by", next(iter(self.orders)))
        descending = query.get("sort_order", "desc") == "desc"
        offset = 0 if after else (page - 1) * limit
        place = self._place(after, shape, sort, descending)
        rows = self._rows.rows(
            shape, sort, descending, place.kind, limit=limit + 1, offset=offset, **place.holes, **filters
        )
        if rows:
            total = rows[0][-1]
        elif page == 1 and not after:
            total = 0
        else:
            total = self._total_past_the_end(shape, place, filters)
        to_wire = self.serializer.to_wire
        has_next = len(rows) > limit
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
        headers = {NEXT_CURSOR: self._cursor(rows[limit - 1], sort, descending)} if has_next else {}
        return Response(data, headers=headers)

    # --- positions ------------------------------------------------------------------------------------

    def _place(self, after: str | Cursor | None, shape: Shape, sort: str, descending: bool) -> _Place:
        """Raises Invalid."""
        if after is None:
            return _Place(_START, {})
        if isinstance(after, str):
            return _Place(_AFTER_ID, {"after": after})
        if after.order != cursors.digest_of(self.name, sort, descending):
            raise Invalid("after", _("this cursor belongs to another list or order"))
        try:
            value = cursors.value_of(after.value, self._kind_of_key(shape, sort))
        except cursors.ValueOutOfRange as error:
            raise Invalid("after", _("this is no cursor of this list")) from error
        return _Place(_AFTER_CURSOR, {"after": after.id, "value": value})

    def _cursor(self, row: Sequence[Any], sort: str, descending: bool) -> str:
        key, pk = self._position_of_key(sort, descending)
        order = cursors.digest_of(self.name, sort, descending)
        return Cursor(order, cursors.number_of(row[key]), row[pk]).written()

    def _position_of_key(self, sort: str, descending: bool) -> tuple[int, int]:
        """The indexes of the sort key and of the id in a row."""
        known = self._positions.get((sort, descending))
        if known is None:
            columns = self.serializer.columns()
            key = self.orders[sort](descending)
            at = columns.index(key.name) if _is_column(key, columns) else len(columns)
            known = self._positions[sort, descending] = (at, columns.index("id"))
        return known

    def _kind_of_key(self, shape: Shape, sort: str) -> models.Field[Any, Any]:
        """The type of the parameter for a value of the sort key."""
        kind = self._kinds.get(sort)
        if kind is None:
            rows = self._filtered(shape).alias(sort_key=self.orders[sort](False))  # noqa: FBT003 - either is as good
            kind = self._kinds[sort] = cursors.kind_of(rows.query.annotations["sort_key"].output_field)
        return kind

    # --- queries --------------------------------------------------------------------------------------

    def _total_past_the_end(self, shape: Shape, place: _Place, filters: Mapping[str, Any]) -> int:
        if place.kind == _AFTER_ID and not self._anchor.rows(shape, **place.holes):
            raise Invalid("after", _("there is nothing with this id"))
        total: int = self._total.rows(shape, **filters)[0][0]
        return total

    def _filtered(self, shape: Shape) -> models.QuerySet[Any]:
        return self.select(
            **{name: Param(name, self.values[name]) if name in self.values else value for name, value in shape}
        )

    def _build_total(self, shape: Shape) -> models.QuerySet[Any]:
        return count_of(self._filtered(shape))

    def _build_anchor(self, shape: Shape) -> models.QuerySet[Any]:
        return self._all(shape).filter(pk=Param("after", ID)).values_list("pk")

    def _all(self, shape: Shape) -> models.QuerySet[Any]:
        # A row that is deleted or no longer matches the filters is still a position in the order.
        return self._filtered(shape).model._base_manager.all()

    def _build_rows(self, shape: Shape, sort: str, descending: bool, place: str) -> models.QuerySet[Any]:
        rows = self._filtered(shape)
        key = self.orders[sort](descending)
        if place != _START:
            after, value = Param("after", ID), self._value(shape, sort, descending, place)
            beyond = "lt" if descending else "gt"
            rows = rows.alias(sort_key=key).filter(
                Q(**{f"sort_key__{beyond}": value}) | Q(sort_key=value, **{f"pk__{beyond}": after})
            )
        columns = self.serializer.columns()
        beside = () if _is_column(key, columns) else (key,)
        order = (key.desc(), F("pk").desc()) if descending else (key.asc(), F("pk").asc())
        return rows.order_by(*order).values_list(*columns, *beside, Subquery(self._build_total(shape)))

    def _value(self, shape: Shape, sort: str, descending: bool, place: str) -> Any:
        """The sort value after which the page begins: the one in the cursor, or that of the row with the id."""
        if place == _AFTER_CURSOR:
            return Param("value", self._kind_of_key(shape, sort))
        key, after = self.orders[sort](descending), Param("after", ID)
        return Subquery(self._all(shape).filter(pk=after).values_list(key)[:1])


def _is_column(key: Any, columns: Sequence[str]) -> bool:
    """Whether the sort key is one of the columns of the serializer."""
    # The type stubs do not know the name of an F.
    return isinstance(key, F) and key.name in columns  # type: ignore[attr-defined]
