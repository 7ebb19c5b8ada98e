"""Columns that hold other columns of their row in folded form, to be searched by a part of them."""

from collections.abc import Iterable, Sequence
from typing import Any

from django.db import connections, models, transaction

from common.texts import folded

ROWS_AT_ONCE = 2000  # the rows that a migration keeps locked, for about a tenth of a second


class FoldedColumn(models.TextField):
    """What the columns `of` hold, folded and joined by spaces. Saving a row fills it; see `SearchedModel`."""

    def __init__(self, *, of: Sequence[str], **kwargs: Any) -> None:
        self.of = tuple(of)
        # With a default of the database, processes of the version before go on adding rows while a new one starts.
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


class SearchedModel(models.Model):
    """Saves its folded columns together with what they are made of."""

    class Meta:
        abstract = True

    def save(self, *, update_fields: Iterable[str] | None = None, **kwargs: Any) -> None:
        if update_fields is not None:
            saved = set(update_fields)
            columns = [field for field in self._meta.concrete_fields if isinstance(field, FoldedColumn)]
            update_fields = saved | {column.name for column in columns if saved.intersection(column.of)}
        super().save(update_fields=update_fields, **kwargs)


def fold_again(model: type[models.Model], name: str, *, using: str = "default") -> int:
    """Fill the folded column `name` of all rows, for migrations; says how many had to be changed.

    Each batch is a transaction of its own, so no row is locked for long and a stopped run goes on where it was.
    It takes the rows in the order of their keys, as all that lock many rows do.
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
