"""Search by words in folded columns, with bounded work: an index finds what few rows have, a walk what many have."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Func

from common.queries import ID, LIMIT, TEXT, Param, Question

FEW = 1_000  # rows; what more rows have is found by walking
INDEXED_WORDS = 4  # which the index is asked for; the rows that it finds are compared with the others
IDS = ArrayField(ID)
TEXTS = ArrayField(TEXT)

# The index has groups of three letters or digits (pg_trgm). A word without such a group would read all of it.
_INDEXABLE = re.compile(r"[^\W_]{3}")


def words_of(text: str) -> tuple[str, ...]:
    """The words of a folded text, the longest first, without those that are parts of others."""
    words: list[str] = []
    for word in sorted(set(text.split()), key=lambda each: (-len(each), each)):
        if not any(word in longer for longer in words):
            words.append(word)
    return tuple(words)


class HasWords(Func):
    """Whether a text contains all words: `words` is a parameter with patterns, see `patterns`. No index is used."""

    template = "(%(expressions)s)"
    arg_joiner = " LIKE ALL "
    output_field = models.BooleanField()

    def __init__(self, text: Any, words: Param) -> None:
        super().__init__(text, Func(words, template="(%(expressions)s)", output_field=TEXTS))


class AnyOf(Func):
    """Whether an id is one of a parameter with an array of ids."""

    template = "(%(expressions)s)"
    arg_joiner = " = ANY "
    output_field = models.BooleanField()

    def __init__(self, pk: Any, ids: Param) -> None:
        super().__init__(pk, Func(ids, template="(%(expressions)s)", output_field=IDS))


def patterns(words: Sequence[str]) -> list[str]:
    return [f"%{re.sub(r'([\\%_])', r'\\\1', word)}%" for word in words]


class Search:
    """A search among the rows of a list whose text contains all of some words.

    `rows` returns the rows whose folded column `text` is searched and has a trigram index. `found_by` is the column of
    the list with their key, and `column` the column of the list with their text, if they are of another model.

    A list asks for the `few` keys that match, and shows those of its rows that have one of them. If there are too many,
    it walks through `walked` rows in its own order and compares each with the words.
    """

    def __init__(
        self,
        rows: Callable[[], models.QuerySet[Any]],
        *,
        text: str,
        walked: int,
        found_by: str = "pk",
        column: str | None = None,
    ) -> None:
        self.rows = rows
        self.text = text
        self.walked = walked
        self.found_by = found_by
        self.column = column or text
        self._matching = Question(self._build)

    def _build(self, indexed: int, has_others: bool) -> models.QuerySet[Any]:
        rows = self.rows()
        for number in range(indexed):
            rows = rows.filter(**{f"{self.text}__contains": Param(f"word{number}", TEXT)})
        if has_others:
            rows = rows.filter(HasWords(F(self.text), Param("others", TEXTS)))
        return rows.values_list("pk")

    def few(self, words: Sequence[str]) -> list[str] | None:
        """The keys of all rows that match; None if there are more than FEW, or no index could find them."""
        indexed = [word for word in words if _INDEXABLE.search(word)][:INDEXED_WORDS]
        if not indexed:
            return None
        others = patterns([word for word in words if word not in indexed])
        given: dict[str, Any] = {f"word{number}": word for number, word in enumerate(indexed)}
        found = self._matching.rows(len(indexed), bool(others), limit=FEW + 1, others=others, **given)
        return None if len(found) > FEW else [pk for (pk,) in found]


class Walk(models.Subquery):
    """The keys of rows that match, among the first `up_to` rows of a queryset in its order.

    The queryset has four columns: the key of the row, whether it matches, the sort key and the id. `Question.rows` says
    how many keys, after `offset` if `skips`. PostgreSQL stops walking when it has found them.
    """

    def __init__(self, queryset: models.QuerySet[Any], *, up_to: int, descending: bool, skips: bool) -> None:
        super().__init__(queryset)
        self.up_to, self.skips = up_to, skips
        self.direction = "DESC" if descending else "ASC"

    def as_sql(self, *args: Any, **kwargs: Any) -> tuple[str, Any]:
        sql, values = super().as_sql(*args, **kwargs)
        sql = (
            f"(SELECT walked.pk FROM ({sql[1:-1]} LIMIT {self.up_to:d}) AS walked (pk, is_match, sort_key, sort_id)"  # noqa: S608
            f" WHERE walked.is_match ORDER BY walked.sort_key {self.direction}, walked.sort_id {self.direction} {LIMIT}"
        )
        if not self.skips:
            return f"{sql})", values
        return f"{sql} OFFSET %s)", (*values, Param("offset", models.BigIntegerField()))
