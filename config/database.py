"""The database, and how long requests wait for it."""

from typing import Any

from django.core.exceptions import ImproperlyConfigured

from config.environment import DATA_DIR, env

DATABASE: dict[str, Any] = (
    env.db_url("DATABASE_URL")
    if env.str("DATABASE_URL", default=None)
    else {"NAME": "kumanda", "USER": "kumanda", "EMBEDDED_DATA_DIR": str(DATA_DIR)}
)
DATABASES = {
    "default": DATABASE
    | {
        "ENGINE": "common.postgres",
        # Persistent: a new connection takes about 5 ms, longer than anything else in a request.
        "CONN_MAX_AGE": None,
        # Without a round trip: see common/postgres/base.py.
        "CONN_HEALTH_CHECKS": True,
        # Options of DATABASE_URL (sslmode, …) are kept.
        "OPTIONS": {"connect_timeout": env.int("DATABASE_CONNECT_SECONDS", default=3)}
        | DATABASE.get("OPTIONS", {})
        | {"server_side_binding": True, "prepare_threshold": 1},
    }
}
# In seconds, for requests: the time limits of a statement, of a wait for a lock, and of an idle transaction.
REQUEST_TIME_LIMITS = {
    "statement_timeout": env.float("DATABASE_STATEMENT_SECONDS", default=3.0),
    "lock_timeout": env.float("DATABASE_LOCK_SECONDS", default=2.0),
    "idle_in_transaction_session_timeout": env.float("DATABASE_IDLE_SECONDS", default=10.0),
}
if not all(seconds > 0 for seconds in REQUEST_TIME_LIMITS.values()):
    raise ImproperlyConfigured("DATABASE_STATEMENT_SECONDS, _LOCK_SECONDS and _IDLE_SECONDS must be above 0.")
