"""Searches of lists by words: folded, each word in any of some columns, in any order, with bounded work.

Conditions with OR over columns of several tables would read all rows of the list. So the rows that have a rare word are
found first, in the trigram index of each column, and the list is narrowed to them.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import and_, or_
from typing import Any, NamedTuple

from django.db.models import BooleanField, F, Func, Q, QuerySet, Value

from common.texts import folded
from common.word_search import FEW, IDS, is_indexable, words_of

TRIES = 2  # words of which one may be rare; each costs a statement


class IsAmong(Func):
    """Whether an id is one of many. They are one parameter: a thousand would cost more than the search itself."""

    template = "(%(expressions)s)"
    arg_joiner = " = ANY "
    output_field = BooleanField()

    def __init__(self, path: str, ids: Sequence[str]) -> None:
        super().__init__(F(path), Func(Value(list(ids), output_field=IDS), template="(%(expressions)s)"))


class Found(NamedTuple):
    """The rows that match. `is_cut` means that there may be others, because too many rows have these words."""

    rows: QuerySet[Any]
    is_cut: bool


@dataclass(frozen=True)
class SearchedColumn:
    """A folded column with a trigram index, of the rows that `path` leads to from the list; "" is the list itself."""

    rows: Callable[[], QuerySet[Any]]
    text: str
    path: str = ""

    def has(self, word: str, *, is_start: bool) -> Q:
        """Of the column's own rows."""
        return _has(self.text, word, is_start=is_start)

    def of_list(self, word: str, *, is_start: bool) -> Q:
        """The same condition, of the rows of the list."""
        return _has(f"{self.path}__{self.text}" if self.path else self.text, word, is_start=is_start)

    def among(self, ids: Sequence[str]) -> Q:
        return Q(IsAmong(self.path or "pk", ids))


def _has(column: str, word: str, *, is_start: bool) -> Q:
    """A word that is too short for the index is found at the start of words, for which the index has groups."""
    if not is_start:
        return Q(**{f"{column}__contains": word})
    return Q(**{f"{column}__startswith": word}) | Q(**{f"{column}__contains": f" {word}"})


class WordSearch:
    """Finds rows of which each word occurs in one of the columns. Short words alone are found at the start of words."""

    def __init__(self, *columns: SearchedColumn) -> None:
        self._columns = columns

    def found(self, queryset: QuerySet[Any], text: str) -> Found:
        """At most TRIES + 1 statements; none if the list itself is the only table."""
        words = words_of(folded(text))
        if not words:
            return Found(queryset.none(), is_cut=False)
        is_start = not any(map(is_indexable, words))
        if len(self._columns) == 1 and not self._columns[0].path:
            return Found(queryset.filter(self._all(self._columns[0].has, words, is_start)), is_cut=False)
        if len(self._columns) == 1:
            ids, is_cut = self._ids(words, is_start)
            return Found(self._narrowed(queryset, ids, [], is_start), is_cut)
        for word in [word for word in words if is_start or is_indexable(word)][:TRIES]:
            ids, is_cut = self._ids([word], is_start)
            if not is_cut:
                others = [other for other in words if other != word]
                return Found(self._narrowed(queryset, ids, others, is_start), is_cut=False)
        # All words are common. Rows that have them in different columns are not found.
        ids, _is_cut = self._ids(words, is_start)
        return Found(self._narrowed(queryset, ids, [], is_start), is_cut=True)

    def _ids(self, words: Sequence[str], is_start: bool) -> tuple[list[list[str]], bool]:
        """For each column the keys of rows that have all the words, at most FEW; and whether there are more."""
        parts = [
            column.rows()
            .filter(self._all(column.has, words, is_start))
            .order_by()
            .values_list(Value(number), "pk")[: FEW + 1]
            for number, column in enumerate(self._columns)
        ]
        found: list[list[str]] = [[] for _column in self._columns]
        for number, pk in parts[0].union(*parts[1:], all=True) if len(parts) > 1 else parts[0]:
            found[number].append(pk)
        return [ids[:FEW] for ids in found], any(len(ids) > FEW for ids in found)

    def _narrowed(
        self, queryset: QuerySet[Any], ids: list[list[str]], others: Iterable[str], is_start: bool
    ) -> QuerySet[Any]:
        candidates = [column.among(some) for column, some in zip(self._columns, ids, strict=True) if some]
        if not candidates:
            return queryset.none()
        queryset = queryset.filter(reduce(or_, candidates))
        for word in others:
            conditions = (column.of_list(word, is_start=is_start) for column in self._columns)
            queryset = queryset.filter(reduce(or_, conditions))
        return queryset

    @staticmethod
    def _all(has: Callable[..., Q], words: Iterable[str], is_start: bool) -> Q:
        return reduce(and_, (has(word, is_start=is_start) for word in words))
