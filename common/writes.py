"""Writes: statements that insert or update rows, and are sent to PostgreSQL together.

A change updates its row, inserts its audit row and perhaps more. Each of these statements costs a round trip, and
compiling it with the ORM costs more than running it. So `insertion` and `update` keep the SQL of a model, and `run`
sends all writes of a change as one statement.
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from django.db import connection, models

from common.search import with_folded


class Write(NamedTuple):
    """A statement that changes rows, with a placeholder `%s` for each of its values."""

    sql: str
    values: Sequence[Any]


def insertion(instance: models.Model) -> Write:
    """Inserts the row of `instance`, whose primary key is set."""
    sql, fields = _insert(type(instance))
    return Write(sql, _values(instance, fields, is_new=True))


def update(instance: models.Model, names: Iterable[str]) -> Write:
    """Writes the named columns of `instance`, whose row this transaction has locked."""
    sql, fields = _update(type(instance), frozenset(names))
    return Write(sql, [*_values(instance, fields, is_new=False), *_values(instance, (_key(instance),), is_new=False)])


def run(*writes: Write) -> None:
    """Run all `writes` in one statement.

    They run in no particular order, and none sees the rows of another. Raises IntegrityError as each alone would.
    """
    *others, last = writes
    with connection.cursor() as cursor:
        cursor.execute(*with_writes(others, *last))


def with_writes(writes: Iterable[Write], sql: str, values: Sequence[Any]) -> Write:
    """The statement `sql`, which begins with no WITH, together with `writes`, whose changes it does not see."""
    if not (writes := tuple(writes)):
        return Write(sql, values)
    named = ", ".join(f"write_{number} AS ({write.sql})" for number, write in enumerate(writes))
    return Write(f"WITH {named} {sql}", [value for write in writes for value in write.values] + [*values])


def _key(instance: models.Model) -> models.Field:
    assert instance._meta.pk is not None  # noqa: S101 - every table of ours has one
    return instance._meta.pk


def _values(instance: models.Model, fields: Sequence[models.Field], *, is_new: bool) -> list[Any]:
    return [field.get_db_prep_save(field.pre_save(instance, is_new), connection) for field in fields]


@lru_cache
def _insert(model: type[models.Model]) -> tuple[str, tuple[models.Field, ...]]:
    fields = tuple(field for field in model._meta.concrete_fields if not field.generated)
    placeholders = ", ".join(["%s"] * len(fields))
    columns = ", ".join(map(_quoted, fields))
    return f"INSERT INTO {_table(model)} ({columns}) VALUES ({placeholders})", fields  # noqa: S608 - names of columns


@lru_cache(maxsize=256)
def _update(model: type[models.Model], names: frozenset[str]) -> tuple[str, tuple[models.Field, ...]]:
    written = with_folded(model, names)
    fields = tuple(field for field in model._meta.concrete_fields if {field.name, field.attname} & written)
    assignments = ", ".join(f"{_quoted(field)} = %s" for field in fields)
    key = model._meta.pk
    assert key is not None  # noqa: S101 - every table of ours has one
    return f"UPDATE {_table(model)} SET {assignments} WHERE {_quoted(key)} = %s", fields  # noqa: S608 - names of columns


def _table(model: type[models.Model]) -> str:
    return connection.ops.quote_name(model._meta.db_table)


def _quoted(field: models.Field) -> str:
    return connection.ops.quote_name(str(field.column))
