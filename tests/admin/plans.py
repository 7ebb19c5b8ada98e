"""What PostgreSQL reads for pages of the admin: the plans of the statements of a page."""

from collections.abc import Iterator
from typing import Any

import orjson
from django.db import connection
from django.test.utils import CaptureQueriesContext

type Plan = dict[str, Any]


def plans_of(captured: CaptureQueriesContext) -> Iterator[tuple[str, Plan]]:
    """Each SELECT that was captured, with its plan, for which it is executed again."""
    for sql in (query["sql"] for query in captured.captured_queries):
        if sql.startswith(("SELECT", "(SELECT")):
            with connection.cursor() as cursor:
                cursor.execute(f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {sql}")
                answer = cursor.fetchone()[0]
            yield sql, (orjson.loads(answer) if isinstance(answer, str) else answer)[0]["Plan"]
