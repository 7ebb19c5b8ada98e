"""How many rows have a word: estimated from the sample of a column that ANALYZE keeps (`pg_stats`)."""

from __future__ import annotations

from time import monotonic
from typing import Any, NamedTuple

from django.db import connection, models

RENEWED_AFTER = 600.0  # seconds
# A word that is in fewer texts of the sample, of about a hundred, may be there by chance.
LEAST_SEEN = 5

_SAMPLE = """
    SELECT pg_class.reltuples, known.most_common_vals::text::text[], known.most_common_freqs,
        known.histogram_bounds::text::text[]
    FROM pg_stats AS known
    JOIN pg_class ON pg_class.oid = format('%%I.%%I', known.schemaname, known.tablename)::regclass
    WHERE known.schemaname = ANY (current_schemas(false)) AND known.tablename = %s AND known.attname = %s
    LIMIT 1
"""


class _Sample(NamedTuple):
    rows: float  # of the table
    common: list[tuple[str, float]]  # texts that occur often, each with its share of the rows
    others: list[str]  # some of the texts that do not

    def rows_with(self, word: str) -> float:
        seen_common = [share for text, share in self.common if word in text]
        seen_others = sum(word in text for text in self.others)
        if len(seen_common) + seen_others < LEAST_SEEN:
            return 0.0
        rest = 1 - sum(share for _, share in self.common)
        share = sum(seen_common) + (rest * seen_others / len(self.others) if self.others else 0.0)
        return share * self.rows


class WordSample:
    """The texts of a column that PostgreSQL has sampled, read again every `RENEWED_AFTER` seconds by each process.

    What it says decides only in which way rows are looked for, never which are found.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._sample: _Sample | None = None
        self._read_at = 0.0

    def rows_with(self, model: type[models.Model], word: str) -> float:
        """About how many rows have the word in their text; 0 if few have it, or if the table was never analyzed."""
        if self._sample is None or monotonic() - self._read_at > RENEWED_AFTER:
            self._sample, self._read_at = self._read(model), monotonic()
        return self._sample.rows_with(word)

    def forget(self) -> None:
        self._sample = None

    def _read(self, model: type[models.Model]) -> _Sample:
        field: Any = model._meta.get_field(self._text)
        with connection.cursor() as cursor:
            cursor.execute(_SAMPLE, [model._meta.db_table, field.column])
            found = cursor.fetchone()
        if found is None:
            return _Sample(0.0, [], [])
        rows, common, shares, others = found
        return _Sample(max(rows, 0.0), list(zip(common or (), shares or (), strict=True)), others or [])
