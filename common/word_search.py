"""Search by words in folded columns, with bounded work: an index finds what few rows have, a walk what many have."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Func

from common.queries import ID, TEXT, Param, Question
from common.word_samples import WordSample

FEW = 1_000  # rows; what more rows have is found by walking
MANY = 5_000  # rows; what more rows have is found by nothing else
WALKS = 4  # of one page
INDEXED_WORDS = 4  # which the index is asked for; the rows that it finds are compared with the others
TEXTS = ArrayField(TEXT)


class _Ids(ArrayField):
    """An array of ids as a parameter, written as one text: of a thousand, psycopg would write each by itself."""

    def get_db_prep_value(self, value: Any, connection: Any, prepared: bool = False) -> str:
        written = ",".join(f'"\\\\x{pk}"' for pk in value)
        return f"{{{written}}}"


IDS = _Ids(ID)

# The index has groups of three letters or digits (pg_trgm). A word without such a group would read all of it.
_INDEXABLE = re.compile(r"[^\W_]{3}")


def words_of(text: str) -> tuple[str, ...]:
    """The words of a folded text, the longest first, without those that are parts of others."""
    words: list[str] = []
    for word in sorted(set(text.split()), key=lambda each: (-len(each), each)):
        if not any(word in longer for longer in words):
            words.append(word)
    return tuple(words)


def is_indexable(word: str) -> bool:
    return bool(_INDEXABLE.search(word))


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

    A list asks for the keys that match, if they are few, and shows those of its rows that have one of them. Else it
    walks through its rows in its own order, `walked` at a time, and compares each with the words. If the first walk
    does not find enough, it asks for the keys again, up to `MANY`, and walks on if there are more.
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
        self.sample = WordSample(text)
        self._matching = Question(self._build)

    def read_from_replica(self) -> None:
        """For lists that are read from a replica: the keys must be those of the same server."""
        self._matching = Question(self._build, from_replica=True)

    def _build(self, indexed: int, has_others: bool, is_compared: bool) -> models.QuerySet[Any]:
        rows = self.rows()
        for number in range(indexed):
            rows = rows.filter(**{f"{self.text}__contains": Param(f"word{number}", TEXT)})
        matches = HasWords(F(self.text), Param("others", TEXTS)) if has_others else None
        if is_compared:
            return rows.annotate(is_match=matches).values_list("pk", "is_match")
        return (rows if matches is None else rows.filter(matches)).values_list("pk")

    def may_find(self, words: Sequence[str]) -> bool:
        """Whether an index could find the rows that match, and it is not known that there are more than `MANY`."""
        return any(map(is_indexable, words)) and not (len(words) == 1 and self._is_common(words[0]))

    def found(self, words: Sequence[str], *, up_to: int) -> list[str] | None:
        """The keys of all rows that match; None if there are more than `up_to`, or no index could find them."""
        indexed = [word for word in words if is_indexable(word)][:INDEXED_WORDS]
        if not indexed:
            return None
        rare = [word for word in indexed if not self._is_common(word)] if len(indexed) > 1 else indexed
        if rare and len(rare) < len(indexed):
            # The index would read all its entries of each common word between those of the rare ones.
            keys = self._found_by(rare, words, up_to=up_to, is_compared=True)
            if keys is not None:
                return keys
        return self._found_by(indexed, words, up_to=up_to, is_compared=False)

    def _found_by(
        self, indexed: Sequence[str], words: Sequence[str], *, up_to: int, is_compared: bool
    ) -> list[str] | None:
        """The index is asked for the words `indexed`. With `is_compared`, at most `up_to` rows may have them."""
        others = patterns([word for word in words if word not in indexed])
        given: dict[str, Any] = {f"word{number}": word for number, word in enumerate(indexed)}
        shape = (len(indexed), bool(others), is_compared)
        found = self._matching.rows(*shape, limit=up_to + 1, others=others, **given)
        if len(found) > up_to:
            return None
        return [pk for pk, *is_match in found if all(is_match)]

    def _is_common(self, word: str) -> bool:
        return self.sample.rows_with(self.rows().model, word) > 2 * MANY
