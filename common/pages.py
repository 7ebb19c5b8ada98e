"""Reading all rows of a query in pages."""

from collections.abc import Callable, Iterator
from operator import attrgetter
from typing import Any

from django.db.models import QuerySet


def in_pages[T](rows: QuerySet[Any, T], *, size: int, key: Callable[[T], Any] = attrgetter("pk")) -> Iterator[T]:
    """The rows in the order of their primary keys, `size` in a statement. `key` returns the primary key of a row.

    No cursor is open and no snapshot is held between two pages. So rows may be changed meanwhile, and the connection
    may be that of a pooler. A row that enters the query below the last key read is not among the results.
    """
    ordered = rows.order_by("pk")
    page = list(ordered[:size])
    while page:
        yield from page
        page = list(ordered.filter(pk__gt=key(page[-1]))[:size])
