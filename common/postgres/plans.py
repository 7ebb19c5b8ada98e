"""How PostgreSQL plans statements whose best plan depends on their values."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import DEFAULT_DB_ALIAS, connections


@contextmanager
def planned_for_values(using: str = DEFAULT_DB_ALIAS) -> Iterator[None]:
    """The statements of the block are not prepared, so PostgreSQL plans each for its values.

    A statement that was executed often gets one plan for any values (decision 46). For rows of one person, or of one
    row, it expects the average number: of somebody with a thousand times as many it would read and sort them all for
    each page. Planning costs up to a millisecond a statement.
    """
    wrapper = connections[using]
    wrapper.ensure_connection()
    session = wrapper.connection
    before, session.prepare_threshold = session.prepare_threshold, None
    try:
        yield
    finally:
        session.prepare_threshold = before
