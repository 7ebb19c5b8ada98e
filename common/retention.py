"""Retention: what is removed when it is old enough. The command `purge` and one nightly task run all kinds.

A kind is a `Retention`. An app declares its kinds in a function of its `retention.py`, and `settings.RETENTION` names
these functions. Each kind removes in transactions of at most some thousand rows, or whole partitions, and skips
rows that others have locked. Several processes may run it at once. A run that was interrupted is resumed by the next.

The functions also declare the tables whose rows no kind removes, as `Kept`. So each table is declared once: a test
compares them with the database. Decision 49 has the reasons.
"""

# ruff: noqa: S608 - names of tables are ours or those of the catalogue

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from django.db import connection, models, transaction
from django.db.models import Count, Min, Q, QuerySet

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
    oldest: datetime | None = None  # of the rows that a dry run counted
    ids: list[str] = field(default_factory=list)  # of kinds that name each
    kept_ids: list[str] = field(default_factory=list)  # are past their retention and cannot be removed
    files_left: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)  # sentences that an operator should read

    def foresee(self, count: int, oldest: datetime | None) -> None:
        """Add rows that a dry run found. `oldest` is the time of the oldest one; None without rows."""
        self.count += count
        self.oldest = min((moment for moment in (self.oldest, oldest) if moment is not None), default=None)


@dataclass(frozen=True)
class Retention:
    """One kind of rows. `name` is its key in the result of `purge`, `setting` says how long it is kept, else `fixed`.

    `tables` are those whose rows it removes, also by cascade. `remove` does it, or only counts in a dry run, without
    an advisory lock, so that no other run skips the kind. What it raises is reported, and the other kinds are done.
    """

    name: str
    setting: str
    tables: tuple[str, ...]
    remove: Callable[[datetime, Removal], None]
    fixed: str = ""


@dataclass(frozen=True)
class Kept:
    """A table whose rows no kind removes. `until` says until when they are kept, and why."""

    table: str
    until: str


class Declared(Protocol):
    """Returns the kinds of an app, and the tables without a kind."""

    def __call__(self) -> Iterable[Retention | Kept]: ...


RETENTION: Hook[Declared] = Hook("RETENTION", Declared)


def declared() -> list[Retention | Kept]:
    return [each for function in RETENTION.functions().values() for each in function()]


def kinds() -> list[Retention]:
    return [each for each in declared() if isinstance(each, Retention)]


def by_table() -> dict[str, list[Retention | Kept]]:
    """What is declared of each table, in the order of their names."""
    found: dict[str, list[Retention | Kept]] = {}
    for each in declared():
        for table in each.tables if isinstance(each, Retention) else (each.table,):
            found.setdefault(table, []).append(each)
    return dict(sorted(found.items()))


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


def remove_rows(
    rows: QuerySet[Any],
    removal: Removal,
    *,
    time: Any,
    size: int = CHUNK,
    before_delete: Callable[[list[Any]], None] | None = None,
) -> None:
    """Remove `rows` in the order of their keys, with the rows that depend on them.

    `time` is the column or expression by which a dry run finds the oldest. `before_delete` is called with the locked
    rows of each transaction.
    """
    if removal.dry_run:
        found = rows.order_by().aggregate(count=Count("pk"), oldest=Min(time))
        removal.foresee(found["count"], found["oldest"])
        return
    after = Q()
    while True:
        with transaction.atomic():
            locked = rows.filter(after).order_by("pk").select_for_update(skip_locked=True, of=("self",), no_key=True)
            if before_delete is None:
                keys = list(locked.values_list("pk", flat=True)[:size])
            elif page := list(locked[:size]):
                before_delete(page)
                keys = [row.pk for row in page]
            else:
                keys = []
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
        remove_rows(rows.filter(due, pk__in=old), removal, time=time)
        after = Q(pk__gt=page[-1][0])


def remove_dependents(row: models.Model, *, lock: Callable[[], bool], size: int = CHUNK) -> None:
    """Remove the rows that a cascade from `row` would remove, in transactions of at most `size` rows of one table.

    A cascade would remove all of them in one transaction, which may take minutes. `lock` is called first in each
    transaction; it ends when that returns False.
    """
    _remove_referring(type(row)._base_manager.filter(pk=row.pk), lock, size)


def _remove_referring(rows: QuerySet[Any], lock: Callable[[], bool], size: int) -> bool:
    for relation in rows.model._meta.get_fields(include_hidden=True):
        if not isinstance(relation, models.ManyToOneRel) or relation.on_delete is not models.CASCADE:
            continue
        referring = relation.related_model._base_manager.filter(**{f"{relation.field.name}__in": rows})
        if not (_remove_referring(referring, lock, size) and _remove_chunks(referring, lock, size)):
            return False
    return True


def _remove_chunks(rows: QuerySet[Any], lock: Callable[[], bool], size: int) -> bool:
    """Whether `lock` returned True each time."""
    keys: list[Any] = []
    while True:
        with transaction.atomic():
            if not lock():
                return False
            keys = list(rows.order_by("pk").values_list("pk", flat=True)[:size])
            if keys:
                rows.model._base_manager.filter(pk__in=keys).delete()
        if len(keys) < size:
            return True


def remove_by_sql(select: str, parameters: list[Any], table: str, removal: Removal) -> None:
    """Remove the rows of `table` whose `id` is one of those that `select` returns, each with its time `at`."""
    with connection.cursor() as cursor:
        if removal.dry_run:
            cursor.execute(f"SELECT count(*), min(at) FROM ({select}) AS due", parameters)
            removal.foresee(*cursor.fetchone())
            return
        removed = CHUNK
        while removed == CHUNK:
            cursor.execute(
                f"DELETE FROM {table} WHERE id IN (SELECT id FROM {table} WHERE id IN"
                f" (SELECT id FROM ({select} LIMIT {CHUNK}) AS due) FOR UPDATE SKIP LOCKED)",
                parameters,
            )
            removed = cursor.rowcount
            removal.count += removed
