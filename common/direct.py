"""Connections outside the pool of a server process, and past a pooler in front of the database."""

from typing import Any

from django.conf import settings

from common.postgres.base import DatabaseWrapper


def direct_connection(**entries: Any) -> DatabaseWrapper:
    """A new connection, not opened yet, with a session of its own; the caller closes it in the same thread.

    It has the time limits of requests. `entries` replace others of its entry in `settings.DATABASES`.
    """
    limits: dict[str, Any] = {"TIME_LIMITS": settings.REQUEST_TIME_LIMITS}
    return DatabaseWrapper({**settings.DATABASES["default"], **limits, **entries}, "default")
