"""The replica of the database, for lists, searches and calendars: see `common/replica`."""

from typing import Any

from django.core.exceptions import ImproperlyConfigured

from config.database import PREPARED, REQUEST_DATABASE, address
from config.environment import env

DATABASE_REPLICA_URL = env.str("DATABASE_REPLICA_URL", default="")
DATABASE_REPLICA_MAX_LAG_SECONDS = env.int("DATABASE_REPLICA_MAX_LAG_SECONDS", default=5)
if DATABASE_REPLICA_MAX_LAG_SECONDS != 0 and not 2 <= DATABASE_REPLICA_MAX_LAG_SECONDS <= 300:
    raise ImproperlyConfigured("DATABASE_REPLICA_MAX_LAG_SECONDS must be between 2 and 300, or 0.")

# In seconds. A statement that takes longer is repeated on the primary, and both together must end within the time that
# a request may take. psycopg waits at least two seconds for a new connection.
LONGEST_STATEMENT = 0.5
LONGEST_CONNECT = 2
# A call waits this long for a connection to the replica if all of the pool are in use; then it uses the primary.
LONGEST_WAIT = 0.2


def with_replica(databases: dict[str, Any], url: str) -> dict[str, Any]:
    """`databases` with the entry `replica`, which is connected to as requests are to the primary.

    Raises ImproperlyConfigured.
    """
    if not url:
        return databases
    if "EMBEDDED_DATA_DIR" in databases["default"]:
        raise ImproperlyConfigured("DATABASE_REPLICA_URL needs DATABASE_URL: the embedded server has no replica.")
    if not url.startswith(("postgresql://", "postgres://")):
        raise ImproperlyConfigured(
            "DATABASE_REPLICA_URL must be an address: postgresql://user:password@host:port/name."
        )
    place = env.db_url_config(url)
    if "," in place.get("HOST", ""):
        # The state of one server says nothing about another one.
        raise ImproperlyConfigured("DATABASE_REPLICA_URL must name one server.")
    place["OPTIONS"] = {"connect_timeout": LONGEST_CONNECT} | place.get("OPTIONS", {})
    shared = ("CONN_MAX_AGE", "POOL_SIZE", "TIME_LIMITS", "IS_TRANSACTION_POOLED")
    limits = {
        name: min(LONGEST_STATEMENT, seconds) if name in ("statement_timeout", "lock_timeout") else seconds
        for name, seconds in REQUEST_DATABASE["TIME_LIMITS"].items()
    }
    replica = (
        address(place, program="serve", prepares=PREPARED)
        | {name: REQUEST_DATABASE[name] for name in shared}
        | {"POOL_WAIT": lambda: LONGEST_WAIT, "TIME_LIMITS": limits, "TEST": {"MIRROR": "default"}}
    )
    return databases | {"replica": replica}
