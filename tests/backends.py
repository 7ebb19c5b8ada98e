"""What other sessions on the database of this test do. Other test processes have databases on the same server."""

from django.db import connection

_OTHERS = "datname = current_database() AND pid <> pg_backend_pid()"
BACKENDS = f"SELECT count(*) FROM pg_stat_activity WHERE {_OTHERS} AND {{}}"
# Who waits for a row waits for the end of a transaction, which `pg_locks` lists without a database.
_LOCKS = f"SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE {_OTHERS} AND NOT granted AND {{}}"


def backends(condition: str = "true") -> int:
    """How many other sessions are in a state, given as SQL about `pg_stat_activity`."""
    return _number(BACKENDS.format(condition))


def waiting_locks(condition: str = "true") -> int:
    """How many locks are requested and not granted, with a condition in SQL about `pg_locks`."""
    return _number(_LOCKS.format(condition))


def _number(statement: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_clear_snapshot()")  # which a transaction keeps
        cursor.execute(statement)
        number: int = cursor.fetchone()[0]
        return number
