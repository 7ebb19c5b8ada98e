"""The replica of the database, for lists, searches and calendars: see `common/replica`."""

from typing import Any

from django.core.exceptions import ImproperlyConfigured

from config.database import DATABASE, REQUEST_TIME_LIMITS
from config.environment import env

DATABASE_REPLICA_URL = env.str("DATABASE_REPLICA_URL", default="")
DATABASE_REPLICA_MAX_LAG_SECONDS = env.int("DATABASE_REPLICA_MAX_LAG_SECONDS", default=5)
if DATABASE_REPLICA_MAX_LAG_SECONDS != 0 and not 2 <= DATABASE_REPLICA_MAX_LAG_SECONDS <= 300:
    raise ImproperlyConfigured("DATABASE_REPLICA_MAX_LAG_SECONDS must be between 2 and 300, or 0.")

# In seconds. A statement that takes longer is repeated on the primary, and both together must end within the time that
# a request may take. psycopg waits at least two seconds for a new connection.
LONGEST_STATEMENT = 1.0
LONGEST_CONNECT = 2
ADDRESS = frozenset(["NAME", "USER", "PASSWORD", "HOST", "PORT"])


def with_replica(databases: dict[str, Any], url: str) -> dict[str, Any]:
    """`databases` with the entry `replica`, which is connected to as the primary is. Raises ImproperlyConfigured."""
    if not url:
        return databases
    primary = databases["default"]
    if "EMBEDDED_DATA_DIR" in primary:
        raise ImproperlyConfigured("DATABASE_REPLICA_URL needs DATABASE_URL: the embedded server has no replica.")
    if not url.startswith(("postgresql://", "postgres://")):
        raise ImproperlyConfigured(
            "DATABASE_REPLICA_URL must be an address: postgresql://user:password@host:port/name."
        )
    place = env.db_url_config(url)
    if "," in place.get("HOST", ""):
        # The state of one server says nothing about another one.
        raise ImproperlyConfigured("DATABASE_REPLICA_URL must name one server.")
    limits = REQUEST_TIME_LIMITS | {
        "statement_timeout": min(LONGEST_STATEMENT, REQUEST_TIME_LIMITS["statement_timeout"]),
        "lock_timeout": min(LONGEST_STATEMENT, REQUEST_TIME_LIMITS["lock_timeout"]),
    }
    # Names and passwords are those of the address; everything else is as for the primary.
    shared = {name: value for name, value in primary.items() if name not in ADDRESS}
    replica = place | shared | {"TIME_LIMITS": limits, "TEST": {"MIRROR": "default"}}
    own_options = {name: value for name, value in primary["OPTIONS"].items() if name not in DATABASE.get("OPTIONS", {})}
    replica["OPTIONS"] = own_options | {"connect_timeout": LONGEST_CONNECT} | place.get("OPTIONS", {})
    return databases | {"replica": replica}
