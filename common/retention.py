"""Retention: what is removed when it is old enough. The command `purge` and one nightly task run all kinds.

A kind is a `Retention`. An app declares its kinds in a function of its `retention.py`, and `settings.RETENTION` names
these functions. Each kind removes in transactions of at most some thousand rows, or whole partitions, and skips
rows that others have locked. Several processes may run it at once.
"""

# ruff: noqa: S608 - names of tables are ours or those of the catalogue

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from django.db import connection, models, transaction
from django.db.models import Q, QuerySet

from common import audit
from common.hooks import Hook
from common.items import Items

CHUNK = 1_000  # rows that one transaction removes


@dataclass
class Removal:
    """What a kind removed, or would remove in a dry run. `count` grows with each transaction."""

    dry_run: bool
    items: Items
    count: int = 0
    ids: list[str] = field(default_factory=list)  # of kinds that name each
    kept_ids: list[str] = field(default_factory=list)  # are past their retention and cannot be removed
    files_left: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)  # sentences that an operator should read


@dataclass(frozen=True)
class Retention:
    """One kind of rows. `name` is its key in the result of `purge`, `setting` says how long it is kept ("" for fixed).

    `remove` does it, or only counts in a dry run. What it raises is reported, and the other kinds are done.
    """

    name: str
    setting: str
    remove: Callable[[datetime, Removal], None]


class RetentionKinds(Protocol):
    """Returns the kinds of an app."""

    def __call__(self) -> Iterable[Retention]: ...


RETENTION: Hook[RetentionKinds] = Hook("RETENTION", RetentionKinds)


def kinds() -> list[Retention]:
    return [kind for declared in RETENTION.functions().values() for kind in declared()]


def run(*, now: datetime, dry_run: bool, items: Items) -> dict[str, Removal]:
    """Remove what is past its retention, and write one audit row for each kind. Returns the result by kind."""
    result: dict[str, Removal] = {}
    for kind in kinds():
        removal = result[kind.name] = Removal(dry_run, items)
        with items.item(kind.name):
            kind.remove(now, removal)
        if not dry_run:
            audit.record_run("purge", kind.name, now=now, after={"removed": removal.count})
    return result


# --- removing rows --------------------------------------------------------------------------------


def remove_rows(rows: QuerySet[Any], removal: Removal, *, size: int = CHUNK) -> None:
    """Remove `rows` in the order of their keys, with the rows that depend on them."""
    if removal.dry_run:
        removal.count += rows.count()
        return
    after = Q()
    while True:
        with transaction.atomic():
            locked = rows.filter(after).order_by("pk").select_for_update(skip_locked=True, of=("self",), no_key=True)
            keys = list(locked.values_list("pk", flat=True)[:size])
            if keys:
                rows.model._base_manager.filter(pk__in=keys).delete()
        removal.count += len(keys)
        if len(keys) < size:
            return
        after = Q(pk__gt=keys[-1])


def remove_old_rows(
    model: type[models.Model], removal: Removal, *, time: str, before: datetime, due: Q, size: int = CHUNK
) -> None:
    """Remove the rows of `model` whose column `time` is before that time and that are `due`.

    Keys are in about the order of `time`. So the rows are read in the order of their keys until a page has only younger
    ones. Nothing else is read, however large the table is, and it needs no index on `time`.
    """
    rows = model._base_manager.order_by("pk")
    after = Q()
    while page := list(rows.filter(after).values_list("pk", time)[:size]):
        old = [key for key, moment in page if moment < before]
        if not old:
            return
        remove_rows(rows.filter(due, pk__in=old), removal)
        after = Q(pk__gt=page[-1][0])


def remove_by_sql(select: str, parameters: list[Any], table: str, removal: Removal) -> None:
    """Remove the rows of `table` whose `id` is one of those that `select` returns."""
    with connection.cursor() as cursor:
        if removal.dry_run:
            cursor.execute(f"SELECT count(*) FROM ({select}) AS due", parameters)
            removal.count += cursor.fetchone()[0]
            return
        removed = CHUNK
        while removed == CHUNK:
            cursor.execute(
                f"DELETE FROM {table} WHERE id IN (SELECT id FROM {table} WHERE id IN ({select} LIMIT {CHUNK})"
                " FOR UPDATE SKIP LOCKED)",
                parameters,
            )
            removed = cursor.rowcount
            removal.count += removed
