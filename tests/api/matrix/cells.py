"""One cell: one caller calls one operation for one object, in a savepoint that is rolled back afterwards."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from django.apps import apps
from django.db import connection, transaction
from rest_framework.test import APIClient

from common.models import AuditEntry, RateCounter
from tests.api.matrix.world import NobodyOwnsNothing, World
from tests.api.operations import PICTURE_FORM, Operation
from tests.hostile_forms import CONTENT_TYPE

INAPPLICABLE = "–"

type Written = dict[str, tuple[int, int, int]]
NONE = (0, 0, 0)


@dataclass(frozen=True)
class Call:
    """A request, and the effects of its success.

    `shows` is an id; the cell says whether the response contains it. `audit` is the number of audit rows that a success
    writes, all by `actor` (a user's id; None: the caller). `prepare` brings the objects into the state that the
    operation needs. `may_write` tells for a table whether a call that changes nothing may write rows to it. `reveals`
    are texts of deleted streams that the response may contain.
    """

    ids: dict[str, str] = field(default_factory=dict)
    query: str = ""
    body: dict[str, Any] | None = None
    shows: str = ""
    audit: int = 1
    actor: str | None = None
    prepare: Callable[[], object] = lambda: None
    may_write: Callable[[str], bool] = lambda table: False
    reveals: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Inapplicable:
    """The reason why there is no such object for this operation or caller."""

    reason: str


@dataclass(frozen=True)
class Changes:
    tables: frozenset[str]
    entries: list[AuditEntry]


type Row = Callable[[World, str], Call] | Inapplicable


def call_for(row: Row, world: World, caller: str) -> Call | Inapplicable:
    if isinstance(row, Inapplicable):
        return row
    try:
        return row(world, caller)
    except NobodyOwnsNothing:
        return Inapplicable("nobody has no objects of their own")


@contextmanager
def rolled_back() -> Iterator[None]:
    """Roll back everything that happens inside."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def outcome(operation: Operation, row: Row, world: World, caller: str) -> str:
    """The text of the cell. Faults follow the status after a comma: unexpected writes, audit rows or contents."""
    call = call_for(row, world, caller)
    if isinstance(call, Inapplicable):
        return INAPPLICABLE
    with rolled_back():
        response, changes = _asked(operation, call, world, caller)
    faults = _leaks(response, world, caller, call.reveals)
    if response.status_code >= 300 or operation.method == "GET":
        tables = sorted(table for table in changes.tables if not call.may_write(table))
        if tables and _really_changed(operation, call, world, caller, tables):
            faults.append(f"wrote {' '.join(tables)}")
    else:
        actor = call.actor or world.people[caller].pk
        # Rows without an actor follow from the change, for example a round of notifications.
        by_people = [entry.actor_id for entry in changes.entries if entry.actor_id is not None]
        if by_people != [actor] * call.audit:
            faults.append(f"audited {[(entry.action, entry.actor_name) for entry in changes.entries]}")
    return ", ".join([_answer(response, call), *faults])


def _answer(response: Any, call: Call) -> str:
    parts = [str(response.status_code)]
    if code := response.headers.get("X-Error-Code"):
        parts.append(code)
    if call.shows and response.status_code < 300:
        parts.append("shown" if call.shows in response.content.decode() else "hidden")
    return " ".join(parts)


# --- requests ---------------------------------------------------------------------------------------


def _asked(operation: Operation, call: Call, world: World, caller: str) -> tuple[Any, Changes]:
    call.prepare()
    before = rows_written()
    response = _sent(operation, call, world, caller)
    after = rows_written()
    tables = frozenset(table for table, counts in after.items() if counts != before.get(table))
    trail = AuditEntry._meta.db_table
    added = after.get(trail, NONE)[0] - before.get(trail, NONE)[0]
    return response, Changes(tables, list(AuditEntry.objects.order_by("-id")[:added])[::-1])


def _sent(operation: Operation, call: Call, world: World, caller: str) -> Any:
    client: Any = APIClient(raise_request_exception=False)
    authorization = world.authorization(caller)
    headers = {"HTTP_AUTHORIZATION": authorization} if authorization else {}
    raw = b"" if call.body is None else json.dumps(call.body).encode()
    raw, kind = (PICTURE_FORM, CONTENT_TYPE) if operation.takes_form else (raw, "application/json")
    path = operation.path.format(**call.ids) + (f"?{call.query}" if call.query else "")
    return client.generic(operation.method, path, raw, kind, **headers)


def rows_written() -> Written:
    """Rows inserted, updated and deleted in this transaction by table, including rolled back savepoints.

    Rows of partitions count for the partitioned table. Without the counters of rate limits, which count refused calls
    too.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT coalesce(pg_partition_root(relid), relid)::regclass::text AS name,
                sum(n_tup_ins)::int, sum(n_tup_upd)::int, sum(n_tup_del)::int
            FROM pg_stat_xact_user_tables
            WHERE n_tup_ins + n_tup_upd + n_tup_del > 0 AND relname <> %s
            GROUP BY name
            """,
            [RateCounter._meta.db_table],
        )
        return {table: (inserted, updated, deleted) for table, inserted, updated, deleted in cursor}


# --- checks ---------------------------------------------------------------------------------------


def _leaks(response: Any, world: World, caller: str, revealed: frozenset[str]) -> list[str]:
    """Faults of the content: texts of a deleted stream, or texts that only another user may read."""
    text = response.content.decode()
    faults = []
    if {each for each in world.withdrawn if each in text} - _asked_for(response) - revealed:
        faults.append("contains a deleted stream")
    others = {secret for name, secrets in world.secrets.items() if name != caller for secret in secrets}
    if {secret for secret in others if secret in text} - _asked_for(response):
        faults.append("contains data of another user")
    return faults


def _asked_for(response: Any) -> set[str]:
    """The parts of the path, which a response may repeat."""
    return set(response.wsgi_request.path.split("/"))


def _really_changed(operation: Operation, call: Call, world: World, caller: str, tables: list[str]) -> bool:
    """Whether the call, repeated, changes rows. The statistics also count rows that the view itself rolled back."""
    with rolled_back():
        call.prepare()
        before = [_checksum(table) for table in tables]
        _sent(operation, call, world, caller)
        return [_checksum(table) for table in tables] != before


def _checksum(table: str) -> tuple[Any, ...]:
    known = {model._meta.db_table for model in apps.get_models()}
    assert table in known, table
    with connection.cursor() as cursor:
        cursor.execute(f'SELECT count(*), sum(hashtextextended(row::text, 0)::numeric) FROM "{table}" AS row')
        return tuple(cursor.fetchone())
