"""Writing the audit trail: one row for each change, in the transaction of the change."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from hashlib import blake2b
from typing import Any, Protocol

import orjson
from django.conf import settings
from django.db import connection, models, transaction

from common.addresses import shown_address
from common.entry_points import CallContext, current_context
from common.metrics import Counter
from common.writes import Write, run

CHANGES = Counter("changes_total", "Committed changes, as the audit trail has them", ["action", "entry_point"])


class Actor(Protocol):
    pk: Any

    def get_username(self) -> str: ...


# SQL, because the ORM would compile the same INSERT again for each change.
_INSERT = """
    INSERT INTO common_auditentry
        (at, entry_point, actor_id, actor_name, action, target_type, target_id, before, after, reason, request_id,
        client_address)
    VALUES (%s, %s, %s, %s, %s, %s, %s, %s::jsonb, %s::jsonb, %s, %s, %s)
"""
_INSERT_MANY = """
    INSERT INTO common_auditentry
        (at, entry_point, actor_id, actor_name, action, target_type, target_id, before, after, reason, request_id,
        client_address)
    SELECT %s, %s, %s, %s, %s, %s, changed.id, changed.before::jsonb, changed.after::jsonb, %s, %s, %s
    FROM unnest(%s::bytea[], %s::text[], %s::text[]) WITH ORDINALITY AS changed (id, before, after, place)
    ORDER BY changed.place
"""

type Change = tuple[models.Model, Mapping[str, Any], Mapping[str, Any]]


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

    `by` is None when no user causes the change (commands and tasks).
    """
    run(entry(action, target, by=by, now=now, before=before, after=after, reason=reason))


def entry(
    action: str,
    target: models.Model,
    *,
    by: Actor | None,
    now: datetime,
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    reason: str = "",
) -> Write:
    """The audit row that `record` writes, to be run together with the change itself."""
    kind = str(target._meta.model_name)
    return _row(action, kind, bytes.fromhex(target.pk), by=by, now=now, before=before, after=after, reason=reason)


def record_run(action: str, kind: str, *, now: datetime, after: Mapping[str, Any], by: Actor | None = None) -> None:
    """Write the audit row of a run without a single target: the id of its target is the same for all runs of a kind."""
    key = blake2b(kind.encode(), digest_size=12).digest()
    run(_row(action, kind, key, by=by, now=now, before={}, after=after, reason=""))


def record_numbered(
    action: str,
    kind: str,
    number: int,
    *,
    by: Actor | None,
    now: datetime,
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    reason: str,
) -> None:
    """Write the audit row of a change to a row whose key is a number, such as a job: the id is that number."""
    run(_row(action, kind, number.to_bytes(12), by=by, now=now, before=before, after=after, reason=reason))


def _row(
    action: str,
    target_type: str,
    target_id: bytes,
    *,
    by: Actor | None,
    now: datetime,
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    reason: str,
) -> Write:
    context = current_context()
    _count(action, context.entry_point)
    return Write(
        _INSERT,
        (
            now,
            context.entry_point,
            None if by is None else bytes.fromhex(by.pk),
            "" if by is None else by.get_username(),
            action,
            target_type,
            target_id,
            _json(before),
            _json(after),
            reason,
            context.request_id,
            _client_address(context),
        ),
    )


def record_many(action: str, changes: Iterable[Change], *, by: Actor | None, now: datetime, reason: str = "") -> None:
    """Write the audit rows of changes to many targets of one model, in one statement."""
    targets, before, after = zip(*changes, strict=True)
    context = current_context()
    _count(action, context.entry_point, len(targets))
    with connection.cursor() as cursor:
        cursor.execute(
            _INSERT_MANY,
            (
                now,
                context.entry_point,
                None if by is None else bytes.fromhex(by.pk),
                "" if by is None else by.get_username(),
                action,
                targets[0]._meta.model_name,
                reason,
                context.request_id,
                _client_address(context),
                [bytes.fromhex(target.pk) for target in targets],
                [_json(state) for state in before],
                [_json(state) for state in after],
            ),
        )


def _client_address(context: CallContext) -> str:
    return "" if context.meta is None else shown_address(context.meta, settings.AUDIT_CLIENT_ADDRESS)


def _count(action: str, entry_point: str, number: int = 1) -> None:
    if CHANGES.is_enabled:
        transaction.on_commit(lambda: CHANGES.inc(action, entry_point, by=number))


def _json(state: Mapping[str, Any]) -> str:
    return orjson.dumps(state, default=str).decode()
