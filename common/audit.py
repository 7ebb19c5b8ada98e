"""Writing the audit trail: one row for each change, in the transaction of the change."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Protocol

import orjson
from django.db import connection, models

from common.origin import origin


class Actor(Protocol):
    pk: Any

    def get_username(self) -> str: ...


# Fixed text: the ORM would compile the same INSERT anew for each change.
_INSERT = """
    INSERT INTO common_auditentry
        (at, door, actor_id, actor_name, action, target_type, target_id, before, after, reason, request_id)
    VALUES (%s, %s, %s, %s, %s, %s, %s, %s::jsonb, %s::jsonb, %s, %s)
"""


def record(
    action: str,
    target: models.Model,
    *,
    by: Actor | None,
    now: datetime,
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    reason: str = "",
) -> None:
    """Write the audit row of a change to `target`; call it under the lock that the change holds.

    `by` None is the system itself (a command or a task with nobody behind it).
    """
    entered = origin()
    with connection.cursor() as cursor:
        cursor.execute(
            _INSERT,
            (
                now,
                entered.door,
                None if by is None else bytes.fromhex(by.pk),
                "" if by is None else by.get_username(),
                action,
                target._meta.model_name,
                bytes.fromhex(target.pk),
                orjson.dumps(before, default=str).decode(),
                orjson.dumps(after, default=str).decode(),
                reason,
                entered.request_id,
            ),
        )
