"""What PostgreSQL reads for pages of the admin: many rows, and the plans of the statements of a page."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import orjson
from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper
from django.test.utils import CaptureQueriesContext
from pytest_django import DjangoDbBlocker

from benchmarks.growth.rows import Size, fill_in_bulk
from tests.databases import remove_dead_rows

type Plan = dict[str, Any]


@contextmanager
def never_committed(blocker: DjangoDbBlocker) -> Iterator[CursorWrapper]:
    """A transaction that is rolled back, for a fixture of a module. Each of its tests has a savepoint in it."""
    with blocker.unblock():
        remove_dead_rows()
        with transaction.atomic():
            with connection.cursor() as cursor:
                yield cursor
            transaction.set_rollback(True)


@contextmanager
def many_rows(blocker: DjangoDbBlocker, size: Size) -> Iterator[CursorWrapper]:
    """The same, with rows of all models."""
    with never_committed(blocker) as cursor:
        fill_in_bulk(cursor, size)
        yield cursor


def plans_of(captured: CaptureQueriesContext) -> Iterator[tuple[str, Plan]]:
    """Each SELECT that was captured, with its plan, for which it is executed again."""
    for sql in (query["sql"] for query in captured.captured_queries):
        if sql.startswith(("SELECT", "(SELECT")):
            with connection.cursor() as cursor:
                cursor.execute(f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {sql}")
                answer = cursor.fetchone()[0]
            yield sql, (orjson.loads(answer) if isinstance(answer, str) else answer)[0]["Plan"]
