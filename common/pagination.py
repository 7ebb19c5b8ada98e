"""Lists: by page for people, by keyset for deep reading, both with the exact total and in one statement."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from django.db import models
from django.db.models import F, Func, Q, Subquery
from django.utils.translation import gettext_lazy as _

from common.fields import ObjectIdField
from common.queries import Param, Question
from common.refusals import Invalid
from common.serializers import IdField, InputSerializer, ReadSerializer, StrictInteger

LARGEST_PAGE = 2_147_483_647

type Ordering = Callable[[bool], Any]
type Shape = tuple[tuple[str, Any], ...]


class PageQuery(InputSerializer):
    """What every list takes."""

    empty_is_absent = False
    page = StrictInteger(min_value=1, max_value=LARGEST_PAGE, default=1, help_text="Which page, from 1.")
    limit = StrictInteger(min_value=1, max_value=100, default=10, help_text="Items a page.")
    after = IdField(
        required=False,
        help_text="Id of the last item that you have: gives what comes after it. `page` is ignored.",
    )


class Listing:
    """A list endpoint: which rows, in which orders, written by which serializer.

    `select` takes the filters by name and returns the queryset; a filter named in `values` is given as a hole, any
    other as it is. `orders` maps the names that `sortBy` may have to a function of `descending` that gives the
    expression to sort by, which is never null. The id always comes last, so that the order is total.
    """

    filters_not_rows: ClassVar[frozenset[str]] = frozenset({"page", "limit", "after", "sort_by", "sort_order"})

    def __init__(
        self,
        serializer: type[ReadSerializer],
        select: Callable[..., models.QuerySet[Any]],
        *,
        values: Mapping[str, models.Field[Any, Any]],
        orders: Mapping[str, Ordering],
    ) -> None:
        self.serializer = serializer
        self.select = select
        self.values = values
        self.orders = orders
        self._rows = Question(self._build_rows)
        self._total = Question(self._build_total)
        self._anchor = Question(self._build_anchor)

    def page(self, query: Mapping[str, Any], *, caller: str | None, **given: Any) -> dict[str, Any]:
        """The answer to a validated query. `given` are filters that the query does not have.

        Raises Invalid when `after` names nothing.
        """
        page, limit, after = query["page"], query["limit"], query.get("after")
        filters = {name: value for name, value in query.items() if name not in self.filters_not_rows} | given
        shape: Shape = tuple(
            (name, None if name in self.values else value) for name, value in filters.items() if value is not None
        )
        sort = query.get("sort_by", next(iter(self.orders)))
        descending = query.get("sort_order", "desc") == "desc"
        offset = 0 if after else (page - 1) * limit
        place = {"limit": limit + 1, "offset": offset, "after": after}
        rows = self._rows.rows(shape, sort, descending, after is not None, **place, **filters)
        if rows:
            total = rows[0][-1]
        elif page == 1 and not after:
            total = 0
        else:
            total = self._total_past_the_end(shape, after, filters)
        _, build = self.serializer.compiled()
        return {
            "list": [build(row, caller) for row in rows[:limit]],
            "pagination": {
                "currentPage": 1 if after else page,
                "totalPages": -(-total // limit),
                "totalItems": total,
                "itemsPerPage": limit,
                "hasNextPage": len(rows) > limit,
                "hasPrevPage": total > 0 and (after is not None or page > 1),
            },
        }

    def _total_past_the_end(self, shape: Shape, after: str | None, filters: Mapping[str, Any]) -> int:
        if after and not self._anchor.rows(shape, after=after):
            raise Invalid("after", _("there is nothing with this id"))
        total: int = self._total.rows(shape, **filters)[0][0]
        return total

    def _filtered(self, shape: Shape) -> models.QuerySet[Any]:
        return self.select(
            **{name: Param(name, self.values[name]) if name in self.values else value for name, value in shape}
        )

    def _count(self, shape: Shape) -> models.QuerySet[Any]:
        count = Func(F("pk"), function="COUNT", output_field=models.BigIntegerField())
        return self._filtered(shape).order_by().values_list(count)

    def _build_total(self, shape: Shape) -> models.QuerySet[Any]:
        return self._count(shape)

    def _build_anchor(self, shape: Shape) -> models.QuerySet[Any]:
        return self._all(shape).filter(pk=Param("after", ObjectIdField())).values_list("pk")

    def _all(self, shape: Shape) -> models.QuerySet[Any]:
        # A row that was deleted or no longer matches still marks a place in the order.
        return self._filtered(shape).model._base_manager.all()

    def _build_rows(self, shape: Shape, sort: str, descending: bool, keyset: bool) -> models.QuerySet[Any]:
        rows = self._filtered(shape)
        key = self.orders[sort](descending)
        if keyset:
            after = Param("after", ObjectIdField())
            place = Subquery(self._all(shape).filter(pk=after).values_list(key)[:1])
            beyond = "lt" if descending else "gt"
            rows = rows.alias(sort_key=key).filter(
                Q(**{f"sort_key__{beyond}": place}) | Q(sort_key=place, **{f"pk__{beyond}": after})
            )
        columns, _ = self.serializer.compiled()
        order = (key.desc(), F("pk").desc()) if descending else (key.asc(), F("pk").asc())
        return rows.order_by(*order).values_list(*columns, Subquery(self._count(shape)))
