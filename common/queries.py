"""Compiled queries: querysets that are compiled to SQL once and run many times with other parameters.

Compiling a queryset with a few joins takes Django longer than PostgreSQL needs to run it. A `Question` keeps the SQL
that the ORM generated, with placeholders for its parameters. So all SQL comes from the ORM, and psycopg can prepare
the statement, because its text never changes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Sequence
from functools import lru_cache
from typing import Any

from django.db import InterfaceError, OperationalError, connection, models
from django.db.models import F, Func, Subquery
from django.db.models.expressions import Expression
from django.db.models.sql.compiler import SQLCompiler
from psycopg.sql import Literal

from common.fields import ObjectIdField
from common.postgres.bounded import ServerSilent
from common.writes import Write, with_writes

# Types of parameters.
ID = ObjectIdField()
TIME = models.DateTimeField()
TEXT = models.TextField()

# Where the number of rows goes in the text of a statement. As a parameter it would be unknown to the planner, which
# then assumes a tenth of all rows.
_LIMIT = "/* limit */"

SHAPES_KEPT = 128  # of each compiled query; one takes about 25 KB


class Param(Expression):
    """A named parameter of a compiled query. Its value is passed when the query is run."""

    def __init__(self, name: str, output_field: models.Field) -> None:
        super().__init__(output_field=output_field)
        self.name = name

    def as_sql(self, compiler: SQLCompiler, connection: Any) -> tuple[str, Any]:
        return "%s", [self]

    def bound(self, value: Any) -> Any:
        return self.output_field.get_db_prep_value(value, connection)


class _Compiled:
    """SQL with parameters, and the converters of its columns."""

    def __init__(self, queryset: models.QuerySet[Any]) -> None:
        self.model = queryset.model
        compiler = queryset.query.get_compiler(connection=connection)
        self.sql, self.params = _with_constants(*compiler.as_sql())
        columns = [column for column, _, _ in compiler.select[: compiler.col_count]]
        self.converters = [
            (position, convert, expression)
            for position, (converts, expression) in compiler.get_converters(columns).items()
            for convert in converts
        ]
        self.names = [column.target.attname for column in columns if hasattr(column, "target")]
        self.annotations = compiler.annotation_col_map or {}

    def rows(self, given: dict[str, Any], limit: int | None = None, beside: Sequence[Write] = ()) -> list[list[Any]]:
        sql, values = with_writes(beside, self.sql, [param.bound(given[param.name]) for param in self.params])
        if limit is not None:
            sql = sql.replace(_LIMIT, f"LIMIT {limit:d}") if _LIMIT in sql else f"{sql} LIMIT {limit:d}"
        rows = [list(row) for row in _fetched(sql, values)]
        for position, convert, expression in self.converters:
            for row in rows:
                row[position] = convert(row[position], expression, connection)
        return rows

    def aggregated(self, what: str, given: dict[str, Any], up_to: int) -> tuple[Any, ...]:
        values = [param.bound(given[param.name]) for param in self.params]
        return _fetched(f"SELECT {what} FROM ({self.sql} LIMIT {up_to:d}) AS counted", values)[0]  # noqa: S608


def count_of(queryset: models.QuerySet[Any]) -> models.QuerySet[Any]:
    """A queryset with the number of rows as its only row; `QuerySet.count` would run at once."""
    count = Func(F("pk"), function="COUNT", output_field=models.BigIntegerField())
    return queryset.order_by().values_list(count)


class CountUpTo(Subquery):
    """The number of rows of a queryset, or `up_to` if there are more: no more are read.

    With `order`, they are read in that order, from an index that has it. Without it, PostgreSQL may read the table from
    its start if it expects many of its rows to match, which then may be the last ones.
    """

    template = "(SELECT COUNT(*) FROM (%(subquery)s LIMIT %(up_to)s) AS counted)"

    def __init__(self, queryset: models.QuerySet[Any], up_to: int, *, order: Sequence[str] = ()) -> None:
        super().__init__(queryset.order_by(*order).values("pk"), output_field=models.BigIntegerField(), up_to=up_to)


class TotalUpTo(Subquery):
    """The sum of `value`, an expression, over the rows of a queryset; over `up_to` of them if there are more.

    `order` is that of `CountUpTo`.
    """

    template = "(SELECT COALESCE(SUM(counted.value), 0) FROM (%(subquery)s LIMIT %(up_to)s) AS counted)"

    def __init__(self, queryset: models.QuerySet[Any], value: Any, up_to: int, *, order: Sequence[str] = ()) -> None:
        rows = queryset.order_by(*order).values(value=value)
        super().__init__(rows, output_field=models.FloatField(), up_to=up_to)


class CountAmong(Subquery):
    """How many of the first `read` rows of a queryset match `condition`: a JSON object with `found` and `read`.

    For counts whose condition has no index. `order` is that of `CountUpTo`.
    """

    template = (
        "(SELECT JSONB_BUILD_OBJECT('found', COUNT(*) FILTER (WHERE walked.is_match), 'read', COUNT(*))"
        " FROM (%(subquery)s LIMIT %(read)s) AS walked)"
    )

    def __init__(self, queryset: models.QuerySet[Any], condition: Any, read: int, *, order: Sequence[str] = ()) -> None:
        match = models.ExpressionWrapper(condition, output_field=models.BooleanField())
        rows = queryset.order_by(*order).values(is_match=match)
        super().__init__(rows, output_field=models.JSONField(), read=read)


class Window(Subquery):
    """The first rows of a queryset, as many as `limit` of `Question.rows` says, after `offset` if `skips`.

    Filter by it (`pk__in=Window(…)`) to have an index find the keys of a page, and to join and read only their rows.
    """

    def __init__(self, queryset: models.QuerySet[Any], *, skips: bool) -> None:
        super().__init__(queryset)
        self.skips = skips

    def as_sql(self, *args: Any, **kwargs: Any) -> tuple[str, Any]:
        sql, values = super().as_sql(*args, **kwargs)
        if not self.skips:
            return f"{sql.removesuffix(')')} {_LIMIT})", values
        return f"{sql.removesuffix(')')} {_LIMIT} OFFSET %s)", (*values, Param("offset", models.BigIntegerField()))


class InWindow(Func):
    """Whether the values of these columns are a row of the window, which has the same columns.

    With the key of a partitioned table among the columns, PostgreSQL reads the partition of each row only.
    """

    def __init__(self, columns: Sequence[str], window: Window) -> None:
        super().__init__(*columns, window, output_field=models.BooleanField())

    def as_sql(self, compiler: SQLCompiler, connection: Any, **kwargs: Any) -> tuple[str, Any]:  # type: ignore[override]
        parts = [compiler.compile(expression) for expression in self.source_expressions]
        *columns, window = (sql for sql, _ in parts)
        return f"({', '.join(columns)}) IN {window}", [each for _, values in parts for each in values]


class Hour(Func):
    """The start of the hour of a time."""

    template = "date_bin(interval '1 hour', %(expressions)s, timestamptz '2000-01-01 00:00+00')"
    output_field = models.DateTimeField()


class Beyond(Func):
    """Whether a row comes after a place in an order; `key` and `place` are a value to sort by and an id each.

    It is one comparison of rows, which PostgreSQL finds in an index. With AND and OR, PostgreSQL would read the index
    from its start.
    """

    def __init__(self, key: tuple[Any, Any], place: tuple[Any, Any], *, descending: bool) -> None:
        super().__init__(*key, *place, output_field=models.BooleanField())
        self.operator = "<" if descending else ">"

    def as_sql(self, compiler: SQLCompiler, connection: Any, **kwargs: Any) -> tuple[str, Any]:  # type: ignore[override]
        parts = [compiler.compile(expression) for expression in self.source_expressions]
        key, pk, value, after = (sql for sql, _ in parts)
        return f"({key}, {pk}) {self.operator} ({value}, {after})", [each for _, values in parts for each in values]


def _fetched(sql: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
    """Retries once on a new connection if the connection is dead, as all are after a restart of the server.

    Inside a transaction the error is raised, because a new connection would begin another transaction.
    """
    try:
        return _fetched_once(sql, values)
    except (OperationalError, InterfaceError) as error:
        # A call that failed to connect, or whose statement was not answered in time, has waited long enough.
        has_waited = connection.connection is None or isinstance(error.__cause__, ServerSilent)
        if has_waited or connection.in_atomic_block or connection.is_usable():
            raise
        connection.close()
        return _fetched_once(sql, values)


def _fetched_once(sql: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return cursor.fetchall()


def _with_constants(statement: str, values: Sequence[Any]) -> tuple[str, list[Param]]:
    """The statement with its constants inlined, and the parameters that remain.

    PostgreSQL uses a generic plan only if it costs about as little as custom plans, which are made for the values of
    one execution. That is so if constants such as `status = 'active'` and the limit are in the text. If they were
    parameters, PostgreSQL would plan each execution, which takes longer than reading a page of a list.
    """
    params: list[Param] = []
    remaining = iter(values)

    def inlined(placeholder: re.Match[str]) -> str:
        if placeholder[0] == "%%":
            return "%%"
        value = next(remaining)
        if isinstance(value, Param):
            params.append(value)
            return "%s"
        return Literal(value).as_string().replace("%", "%%")

    return re.sub("%[%s]", inlined, statement), params


class Question:
    """A queryset that is compiled once for each *shape*: the arguments of `build`, which select filters and order.

    `build` returns the queryset, with `Param` expressions for values. An LRU cache keeps `SHAPES_KEPT` shapes.
    """

    def __init__(self, build: Callable[..., models.QuerySet[Any]]) -> None:
        self._build = build
        self._compiled = lru_cache(maxsize=SHAPES_KEPT)(self._compile)

    def _compile(self, *shape: Hashable) -> _Compiled:
        return _Compiled(self._build(*shape))

    def rows(
        self, *shape: Hashable, limit: int | None = None, beside: Sequence[Write] = (), **given: Any
    ) -> list[list[Any]]:
        """The rows, for a queryset with `values_list`.

        `limit` is that of the `Window` in the queryset if it has one, else that of the whole. The statement also runs
        the writes `beside`, whose changes are not in the rows.
        """
        return self._compiled(*shape).rows(given, limit, beside)

    def count(self, *shape: Hashable, up_to: int, **given: Any) -> int:
        """The number of rows, or `up_to` if there are more: no more are read."""
        number: int = self._compiled(*shape).aggregated("COUNT(*)", given, up_to)[0]
        return number

    def walk(self, *shape: Hashable, up_to: int, **given: Any) -> tuple[list[str], tuple[Any, str] | None]:
        """Of the first `up_to` rows: the keys of those that match, in order, and the place of the last one.

        The queryset has four columns: the key of the row, whether it matches, the sort key and the id. The place is a
        sort key and an id; None if there are fewer rows.
        """
        what = (
            "array_agg(counted.pk) FILTER (WHERE counted.is_match),"
            f" (array_agg(counted.sort_key))[{up_to:d}], (array_agg(counted.sort_id))[{up_to:d}]"
        )
        keys, value, pk = self._compiled(*shape).aggregated(what, given, up_to)
        place = None if pk is None else (value, bytes(pk).hex())
        return [bytes(key).hex() for key in keys or ()], place

    def instance(self, *shape: Hashable, beside: Sequence[Write] = (), **given: Any) -> Any:
        """The first model instance with its annotations, or None, for a queryset of instances."""
        compiled = self._compiled(*shape)
        rows = compiled.rows(given, beside=beside)
        if not rows:
            return None
        found = compiled.model.from_db(connection.alias, compiled.names, rows[0][: len(compiled.names)])
        for name, position in compiled.annotations.items():
            setattr(found, name, rows[0][position])
        return found


class Insertion:
    """A compiled `INSERT ... SELECT ... ON CONFLICT DO NOTHING`.

    `build` returns a queryset whose `values_list` has the columns that `columns` names, in this order. Conflicts with
    every unique constraint are ignored, also with those of single partitions; a violation of another constraint is an
    error.
    """

    def __init__(
        self,
        model: type[models.Model],
        columns: Sequence[str],
        build: Callable[..., models.QuerySet[Any]],
    ) -> None:
        self._model, self._columns, self._build = model, columns, build
        self._compiled = lru_cache(maxsize=SHAPES_KEPT)(self._compile)

    def _compile(self, *shape: Hashable) -> tuple[str, list[Param]]:
        found = _Compiled(self._build(*shape))
        into = f"INSERT INTO {connection.ops.quote_name(self._model._meta.db_table)} ({self._quoted(self._columns)})"
        return f"{into} {found.sql} ON CONFLICT DO NOTHING", found.params

    def _quoted(self, names: Sequence[str]) -> str:
        fields = map(self._model._meta.get_field, names)
        # According to the type stubs a field may be a reverse relation, which has no column.
        return ", ".join(connection.ops.quote_name(field.column) for field in fields)  # type: ignore[union-attr, arg-type]

    def run(self, *shape: Hashable, **given: Any) -> int:
        """Run the statement. Returns how many rows were inserted."""
        sql, params = self._compiled(*shape)
        with connection.cursor() as cursor:
            cursor.execute(sql, [param.bound(given[param.name]) for param in params])
            return cursor.rowcount
