"""The statements of a list: pages, walks, counts and places, each compiled once for each shape."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from django.db import models
from django.db.models import F, Q

from common import cursors
from common.orders import Part, is_column
from common.queries import ID, Beyond, CountUpTo, InWindow, Param, Question, Window
from common.word_search import IDS, TEXTS, AnyOf, HasWords

if TYPE_CHECKING:
    from common.pagination import Listing

EXACT_UP_TO = 10_000  # items; above it, a total says "at least"

type Shape = tuple[tuple[str, Any], ...]


class Kind(NamedTuple):
    """What distinguishes the statements of one list, filters and order."""

    is_descending: bool
    part: int
    begins_here: bool = False  # after the place that was given
    skips: bool = False
    has_total: bool = False


class ListStatements:
    """The statements of a `Listing`.

    Two filters are set by the list itself: `found`, the keys that a search found, and `words`, the patterns that each
    row of a walk is compared with. The keys of the rows that a walk found are the parameter `keys`.
    """

    def __init__(self, declared: Listing) -> None:
        self._list = declared
        self._values = {**declared.values, "found": IDS, "words": TEXTS}
        self._keys = ["pk", *declared.partitioned_by]
        subject, columns, from_replica = declared.subject, declared.serializer.columns(), declared.from_replica
        self._id = f"{subject}_id" if subject else "pk"
        self._columns = [
            f"{subject}__{column}" if subject and column not in declared.of_row else column for column in columns
        ]
        self._id_at = columns.index("id")
        self.rows = Question(self._build_rows, from_replica=from_replica)
        self.walked = Question(self._build_walked, from_replica=from_replica)
        self.rows_walked = Question(self._build_rows_walked, from_replica=from_replica)
        self.matching = Question(self._build_matching, from_replica=from_replica)
        self.anchor = Question(self._build_anchor)
        self._positions: dict[tuple[str, int], tuple[int | None, int]] = {}
        self._kinds: dict[tuple[str, int], models.Field[Any, Any]] = {}

    def shape_of(self, filters: Mapping[str, Any]) -> Shape:
        """The filters without the values that statements take as parameters."""
        return tuple((name, None if name in self._values else value) for name, value in filters.items())

    def position_of_key(self, sort: str, part: int) -> tuple[int | None, int]:
        """The positions in a row of the value that it is sorted by, None if by its id alone, and of its id."""
        known = self._positions.get((sort, part))
        if known is None:
            key, columns = self._list.orders[sort].parts[part].key, self._columns
            at: int | None = None
            if key is not None:
                at = columns.index(key.name) if is_column(key, columns) else len(columns)
            known = self._positions[sort, part] = (at, self._id_at)
        return known

    def kind_of_key(self, shape: Shape, sort: str, part: int) -> models.Field[Any, Any]:
        """The field of the parameter that takes a value to sort by."""
        kind = self._kinds.get((sort, part))
        if kind is None:
            rows = self._filtered(shape).alias(sort_key=self._list.orders[sort].parts[part].key)
            kind = self._kinds[sort, part] = cursors.kind_of(rows.query.annotations["sort_key"].output_field)
        return kind

    # --- querysets ------------------------------------------------------------------------------------

    def _params(self, shape: Shape) -> dict[str, Any]:
        return {
            name: Param(name, self._values[name]) if name in self._values else value
            for name, value in shape
            if name not in ("found", "words")
        }

    def _filtered(self, shape: Shape, *, counts: bool = False) -> models.QuerySet[Any]:
        select = (self._list.counted if counts else None) or self._list.select
        rows = select(**self._params(shape))
        if self._list.search is not None and ("found", None) in shape:
            rows = rows.filter(AnyOf(F(self._list.search.found_by), Param("found", IDS)))
        return rows

    def _build_matching(self, shape: Shape, part: int | None, sort: str) -> models.QuerySet[Any]:
        rows = self._filtered(shape, counts=True)
        if part is None:
            return rows.order_by(*self._order_of_count(rows, shape)).values_list("pk")
        return self._list.orders[sort].parts[part].of(rows).order_by().values_list("pk")

    def _build_anchor(self, shape: Shape, sort: str, part: int) -> models.QuerySet[Any]:
        # A row that is deleted or no longer matches the filters is still a place in the order.
        found = self._list.orders[sort].parts[part]
        rows = found.of(self._all(shape)).filter(**{self._id: Param("after", ID)})
        return rows.values_list("pk" if found.key is None else found.key)

    def _all(self, shape: Shape) -> models.QuerySet[Any]:
        """All rows of the model, with what the keys of the orders need."""
        if self._list.places is not None:
            return self._list.places(**self._params(shape))
        return self._filtered(shape).model._base_manager.all()

    def _detailed(self, shape: Shape) -> models.QuerySet[Any]:
        return self._all(shape) if self._list.detail is None else self._list.detail(**self._params(shape))

    def _from_place(self, shape: Shape, sort: str, kind: Kind) -> tuple[Part, models.QuerySet[Any]]:
        """The part and its rows, from the place on."""
        part = self._list.orders[sort].parts[kind.part]
        rows, after = part.of(self._filtered(shape)), Param("after", ID)
        descending = part.descends(asked=kind.is_descending)
        if kind.begins_here and part.key is None:
            rows = rows.filter(**{f"{self._id}__{'lt' if descending else 'gt'}": after})
        elif kind.begins_here:
            value = Param("value", self.kind_of_key(shape, sort, kind.part))
            rows = rows.filter(Beyond((part.key, F(self._id)), (value, after), descending=descending))
        return part, rows

    def _sorted(self, part: Part, kind: Kind) -> list[Any]:
        by = [F(self._id)] if part.key is None else [part.key, F(self._id)]
        return [each.desc() if part.descends(asked=kind.is_descending) else each.asc() for each in by]

    def _build_walked(self, shape: Shape, sort: str, kind: Kind) -> models.QuerySet[Any]:
        """The rows of a part, for `Question.walk`."""
        assert self._list.search is not None  # noqa: S101 - nothing else walks
        part, rows = self._from_place(shape, sort, kind)
        pk = F(self._id)
        return (
            rows.annotate(
                is_match=HasWords(F(self._list.search.column), Param("words", TEXTS)),
                sort_key=pk if part.key is None else part.key,
                sort_id=pk,
            )
            .order_by(*self._sorted(part, kind))
            .values_list("pk", "is_match", "sort_key", "sort_id")
        )

    def _build_rows_walked(self, shape: Shape, sort: str, kind: Kind) -> models.QuerySet[Any]:
        # With the filters again, because rows may have been deleted or changed since the walk.
        part = self._list.orders[sort].parts[kind.part]
        keys = part.of(self._filtered(shape)).filter(AnyOf(F("pk"), Param("keys", IDS))).values("pk")
        rows = self._detailed(shape).filter(pk__in=keys).order_by(*self._sorted(part, kind))
        return rows.values_list(*self._columns, *self._beside(part))

    def _build_rows(self, shape: Shape, sort: str, kind: Kind) -> models.QuerySet[Any]:
        part, matching = self._from_place(shape, sort, kind)
        order = self._sorted(part, kind)
        page = Window(matching.order_by(*order).values(*self._keys), skips=kind.skips)
        found = InWindow(self._keys, page) if len(self._keys) > 1 else Q(pk__in=page)
        beside = self._beside(part)
        if kind.has_total:
            counted = self._filtered(shape, counts=True)
            beside.append(CountUpTo(counted, EXACT_UP_TO + 1, order=self._order_of_count(counted, shape)))
        return self._detailed(shape).filter(found).order_by(*order).values_list(*self._columns, *beside)

    def _order_of_count(self, rows: models.QuerySet[Any], shape: Shape) -> Sequence[Any]:
        """The order in which rows are counted: their own, or that of the first order if a filter bounds its key."""
        names = {name for name, _ in shape}
        if "found" in names:
            return []
        if rows.query.order_by or self._list.counted_in_order.isdisjoint(names):
            return rows.query.order_by
        (part,) = next(iter(self._list.orders.values())).parts
        return self._sorted(part, Kind(is_descending=True, part=0))

    def _beside(self, part: Part) -> list[Any]:
        return [] if part.key is None or is_column(part.key, self._columns) else [part.key]
