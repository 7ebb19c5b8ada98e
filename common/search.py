"""Columns with the folded text of other columns of the row, for substring search."""

from collections.abc import Iterable, Sequence
from typing import Any

from django.db import connections, models, transaction

from common.texts import folded

ROWS_AT_ONCE = 2000  # the rows that a migration keeps locked, for about a tenth of a second


class FoldedColumn(models.TextField):
    """The text of the columns `of`, joined by spaces and folded. Saving a row fills it; see `SearchedModel`."""

    def __init__(self, *, of: Sequence[str], **kwargs: Any) -> None:
        self.of = tuple(of)
        # With a database default, processes of the previous version can insert rows during an upgrade.
        defaults: dict[str, Any] = {"editable": False, "default": "", "db_default": ""}
        super().__init__(**defaults | kwargs)

    def deconstruct(self) -> Any:
        name, path, args, kwargs = super().deconstruct()
        return name, path, args, kwargs | {"of": self.of}

    def pre_save(self, model_instance: models.Model, add: bool) -> str:
        value = self.made_of(getattr(model_instance, name) for name in self.of)
        setattr(model_instance, self.attname, value)
        return value

    def made_of(self, texts: Iterable[str]) -> str:
        return folded(" ".join(texts))


def with_folded(model: type[models.Model], names: Iterable[str]) -> set[str]:
    """The `names` of columns that are saved, and the folded columns that are made of them."""
    saved = set(names)
    columns = [field for field in model._meta.concrete_fields if isinstance(field, FoldedColumn)]
    return saved | {column.name for column in columns if saved.intersection(column.of)}


class SearchedModel(models.Model):
    """Saves a folded column whenever a column that it is made of is saved."""

    class Meta:
        abstract = True

    def save(self, *, update_fields: Iterable[str] | None = None, **kwargs: Any) -> None:
        if update_fields is not None:
            update_fields = with_folded(type(self), update_fields)
        super().save(update_fields=update_fields, **kwargs)


def fold_again(model: type[models.Model], name: str, *, using: str = "default") -> int:
    """Recompute the folded column `name` of all rows, for migrations. Returns how many rows were changed.

    Each batch is a transaction of its own, so no row is locked for long and a run that was stopped can be repeated.
    Rows are locked in the order of their keys, as everywhere, which prevents deadlocks.
    """
    column = model._meta.get_field(name)
    assert isinstance(column, FoldedColumn)  # noqa: S101 - named by our own migrations
    changed, after = 0, None
    while True:
        rows = model._base_manager.using(using).order_by("pk")
        if after is not None:
            rows = rows.filter(pk__gt=after)
        with transaction.atomic(using=using):
            batch = list(rows.select_for_update(no_key=True).values_list("pk", name, *column.of)[:ROWS_AT_ONCE])
            stale = {pk: made for pk, now, *texts in batch if (made := column.made_of(texts)) != now}
            _write(model, column, stale, using)
        if not batch:
            return changed
        changed, after = changed + len(stale), batch[-1][0]


def _write(model: type[models.Model], column: FoldedColumn, values: dict[Any, str], using: str) -> None:
    connection, key = connections[using], model._meta.pk
    assert key is not None  # noqa: S101 - every table of ours has one
    table, to, by = map(connection.ops.quote_name, (model._meta.db_table, str(column.column), str(key.column)))
    ids = [key.get_db_prep_value(pk, connection) for pk in values]
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE {table} SET {to} = given.value FROM unnest(%s::{key.db_type(connection)}[], %s::text[])"  # noqa: S608
            f" AS given (id, value) WHERE {table}.{by} = given.id",
            [ids, list(values.values())],
        )
