"""The database: its addresses, its connections, and how long requests, commands and workers wait for it."""

import sys
from math import ceil
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from config.environment import DATA_DIR, env

LONGEST_NAME = 40  # characters, because PostgreSQL keeps 63 of an application_name

_APPLICATION = env.str("DATABASE_APPLICATION_NAME", default="kumanda")
if not (_APPLICATION.isascii() and _APPLICATION.isprintable() and len(_APPLICATION) <= LONGEST_NAME):
    raise ImproperlyConfigured(f"DATABASE_APPLICATION_NAME must have at most {LONGEST_NAME} visible ASCII characters.")
_CONNECT_SECONDS = env.int("DATABASE_CONNECT_SECONDS", default=3)
_TCP_SECONDS = env.int("DATABASE_TCP_SECONDS", default=15)
if not 2 <= _CONNECT_SECONDS <= 60 or not 3 <= _TCP_SECONDS <= 3600:
    raise ImproperlyConfigured("DATABASE_CONNECT_SECONDS must be 2 to 60, and DATABASE_TCP_SECONDS 3 to 3600.")
# Whether statements stay prepared on a connection: not with a pooler that cannot keep them.
_PREPARED = env.bool("DATABASE_PREPARED_STATEMENTS", default=True)

# Requests that a server process handles at the same time. One that takes longer than 20 ms no longer counts.
REQUESTS_AT_ONCE = env.int("REQUESTS_AT_ONCE", default=2)
if REQUESTS_AT_ONCE < 1:
    raise ImproperlyConfigured("REQUESTS_AT_ONCE must be at least 1.")
# Connections that the threads of a server process share. More than those of the requests at once, because requests
# that wait for a lock keep theirs.
DATABASE_POOL_SIZE = env.int("DATABASE_POOL_SIZE", default=2 * REQUESTS_AT_ONCE + 2)
if not 1 <= DATABASE_POOL_SIZE <= 100:
    raise ImproperlyConfigured("DATABASE_POOL_SIZE must be between 1 and 100.")

# In seconds, for requests: the time limits of a statement, of a wait for a lock, and of an idle transaction.
REQUEST_TIME_LIMITS = {
    "statement_timeout": env.float("DATABASE_STATEMENT_SECONDS", default=3.0),
    "lock_timeout": env.float("DATABASE_LOCK_SECONDS", default=2.0),
    "idle_in_transaction_session_timeout": env.float("DATABASE_IDLE_SECONDS", default=10.0),
}
if not all(seconds > 0 for seconds in REQUEST_TIME_LIMITS.values()):
    raise ImproperlyConfigured("DATABASE_STATEMENT_SECONDS, _LOCK_SECONDS and _IDLE_SECONDS must be above 0.")
# For commands and workers, whose statements may take as long as they need. 0 is no limit.
COMMAND_TIME_LIMITS = {
    "lock_timeout": env.float("DATABASE_COMMAND_LOCK_SECONDS", default=60.0),
    "idle_in_transaction_session_timeout": env.float("DATABASE_COMMAND_IDLE_SECONDS", default=60.0),
}
# For migrate, which tries again: others wait behind it for a lock.
MIGRATE_LOCK_SECONDS = env.float("DATABASE_MIGRATE_LOCK_SECONDS", default=0.5)
if not all(seconds >= 0 for seconds in COMMAND_TIME_LIMITS.values()) or MIGRATE_LOCK_SECONDS <= 0:
    raise ImproperlyConfigured(
        "DATABASE_COMMAND_LOCK_SECONDS and _COMMAND_IDLE_SECONDS must be at least 0, DATABASE_MIGRATE_LOCK_SECONDS "
        "above 0."
    )


def _program() -> str:
    """The command of manage.py, or the name of another program."""
    program = Path(sys.argv[0]).stem
    return sys.argv[1] if program == "manage" and len(sys.argv) > 1 else program


def application_name(program: str) -> str:
    """How connections of a program are named in `pg_stat_activity`."""
    return f"{_APPLICATION} {program}"[:63]


def _address(place: dict[str, Any], *, program: str, prepares: bool) -> dict[str, Any]:
    """The entry of an address in DATABASES. Options in the URL (sslmode, …) take precedence over those here."""
    options: dict[str, Any] = {
        "application_name": application_name(program),
        "connect_timeout": _CONNECT_SECONDS,
        # A vanished machine does not close its connections. These end those that are idle, and those with unanswered
        # data. Unix sockets and systems without an option ignore it.
        "keepalives_idle": ceil(_TCP_SECONDS / 3),
        "keepalives_interval": ceil(_TCP_SECONDS / 3),
        "keepalives_count": 2,
        "tcp_user_timeout": _TCP_SECONDS * 1000,
    }
    fixed = {"server_side_binding": True, "prepare_threshold": 1 if prepares else None}
    return place | {"ENGINE": "common.postgres", "OPTIONS": options | place.get("OPTIONS", {}) | fixed}


_PLACE: dict[str, Any] = (
    env.db_url("DATABASE_URL")
    if env.str("DATABASE_URL", default=None)
    else {"NAME": "kumanda", "USER": "kumanda", "EMBEDDED_DATA_DIR": str(DATA_DIR)}
)
_DIRECT: dict[str, Any] = env.db_url("DATABASE_DIRECT_URL") if env.str("DATABASE_DIRECT_URL", default=None) else _PLACE
# Whether requests reach the database through a pooler that lends server connections for single transactions.
IS_TRANSACTION_POOLED = _DIRECT != _PLACE
if IS_TRANSACTION_POOLED and "EMBEDDED_DATA_DIR" in _PLACE:
    raise ImproperlyConfigured("DATABASE_DIRECT_URL is set: set DATABASE_URL too, to the address of the pooler.")

# For commands, workers and LISTEN, which need a session of their own.
DATABASES = {
    "default": _address(_DIRECT, program=_program(), prepares=_PREPARED or IS_TRANSACTION_POOLED)
    | {
        # Persistent: a new connection takes about 5 ms, longer than anything else.
        "CONN_MAX_AGE": None,
        # Without a round trip: see common/postgres/bounded.py.
        "CONN_HEALTH_CHECKS": True,
        "TIME_LIMITS": COMMAND_TIME_LIMITS,
    }
}
# For requests instead: see config/rsgi.py.
REQUEST_DATABASE = _address(_PLACE, program="serve", prepares=_PREPARED) | {
    "CONN_MAX_AGE": 0,
    "POOL_SIZE": DATABASE_POOL_SIZE,
    "TIME_LIMITS": REQUEST_TIME_LIMITS,
    "IS_TRANSACTION_POOLED": IS_TRANSACTION_POOLED,
}
