"""The order in which staff see streams: those that are live first, deleted ones last."""

from typing import Any

from django.db import models
from django.db.models import F, Func
from django.db.models.sql.compiler import SQLCompiler

_PLACES = {
    "active": 0,
    "preparing": 1,
    "scheduled": 2,
    "ended": 3,
    "expired": 4,
    "cancelled_by_host": 5,
    "cancelled_by_guest": 5,
}
CANCELLED = _PLACES["cancelled_by_host"]
DELETED = 6
_OF_STATUS = " ".join(f"WHEN '{status}' THEN {place}" for status, place in _PLACES.items())


class BoardPlace(Func):
    """The place of a stream in this order, which depends on its state.

    The constants are in the text of the statement: as parameters they would not match the expression of the index.
    """

    output_field = models.SmallIntegerField()

    def __init__(self) -> None:
        super().__init__(F("deleted_at"), F("status"))

    def as_sql(self, compiler: SQLCompiler, connection: Any, **context: Any) -> tuple[str, Any]:  # type: ignore[override]
        (deleted_at, _), (status, _) = map(compiler.compile, self.source_expressions)
        return f"CASE WHEN {deleted_at} IS NOT NULL THEN {DELETED} ELSE CASE {status} {_OF_STATUS} END END", []


def places_of(status: str) -> list[int]:
    """The places of streams with this status, which may be deleted."""
    return [_PLACES[status], DELETED]
