"""Row serializers: rows of a query (tuples) to wire dictionaries. Input is in `common/serializers.py`."""

from collections.abc import Callable, Sequence
from functools import cache
from itertools import count
from operator import attrgetter
from typing import Any, NamedTuple

from django.db import models
from rest_framework import serializers

from common.times import optional_wire_time, wire_time

type Row = Sequence[Any]


class Derived(serializers.Field):
    """A value that the function `by` computes from the columns `of`; `child` declares its schema.

    With `asks_caller` the function gets the caller's id (None for an anonymous caller) before the columns.
    """

    def __init__(
        self,
        child: serializers.Field,
        *,
        of: Sequence[str],
        by: Callable[..., Any],
        asks_caller: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(read_only=True, source="*", allow_null=child.allow_null, **kwargs)
        self.child, self.of, self.by, self.asks_caller = child, of, by, asks_caller


class Siblings(serializers.Field):
    """A value that `by` computes from the wire values of the fields `of`, then from `columns`.

    The fields `of` belong to the same serializer and are declared before this one.
    """

    def __init__(
        self, child: serializers.Field, *, of: Sequence[str], columns: Sequence[str] = (), by: Callable[..., Any]
    ) -> None:
        super().__init__(read_only=True, source="*")
        self.child, self.of, self.columns, self.by = child, of, columns, by


class ZeroOrOne(serializers.ListField):
    """A nullable foreign key as a list on the wire, with no object or one."""


class ReadSerializer(serializers.Serializer[Any]):
    """Serializes rows of a query. The declared fields are the OpenAPI schema and are compiled once to plain Python.

    DRF visits every field of every object in each request. The compiled function builds the same dictionary in about a
    thirtieth of the time, from tuples, without model instances.
    """

    @classmethod
    def columns(cls) -> tuple[str, ...]:
        """The columns to pass to `values_list`, in the order that `to_wire` expects."""
        return _compiled(cls).columns

    @classmethod
    def to_wire(cls, row: Row, caller: str | None = None) -> dict[str, Any]:
        """The wire dictionary of a row that begins with `columns()`; further values are ignored.

        `caller` is the id of the user who makes the request; None for an anonymous one.
        """
        return _compiled(cls).build(row, caller)

    @classmethod
    def changed_row(cls, row: Row, instance: models.Model) -> Row:
        """`row`, which was read before a change, with the columns of its table as `instance` has them now.

        The columns of joined tables stay, so the change must not have set another foreign key that is joined.
        """
        columns = _compiled(cls).columns
        return [
            value if "__" in column else getattr(instance, column) for column, value in zip(columns, row, strict=False)
        ]

    @classmethod
    def wire_of(cls, instance: models.Model) -> dict[str, Any]:
        """The wire dictionary of an instance that was just written, without reading it.

        The columns of joined tables are those of its related instances, so it must have these.
        """
        return cls.to_wire([attrgetter(column.replace("__", "."))(instance) for column in cls.columns()])


class _Compiled(NamedTuple):
    columns: tuple[str, ...]
    build: Callable[[Row, str | None], dict[str, Any]]


@cache
def _compiled(kind: type[ReadSerializer]) -> _Compiled:
    compiler = _RowCompiler()
    source = f"lambda r, caller: {compiler.serializer(kind(), '')}"
    build = eval(source, compiler.names)  # noqa: S307 - generated from our own declarations, as in namedtuple
    return _Compiled(tuple(compiler.columns), build)


class _RowCompiler:
    """Generates one Python expression over a row from declared fields, and the list of columns that it reads.

    `Siblings` needs values of other fields again, which an assignment expression keeps in a variable. All nested
    serializers are part of the same expression, so each variable gets a number that occurs once in it: field names
    repeat (a row and a row nested in it each have an `id`, say), and one of them could replace the value of another.
    """

    def __init__(self) -> None:
        self.columns: list[str] = []
        self.names: dict[str, Any] = {"time": wire_time, "optional_time": optional_wire_time}
        self.numbers = count()

    def column(self, path: str) -> str:
        if path not in self.columns:
            self.columns.append(path)
        return f"r[{self.columns.index(path)}]"

    def constant(self, value: Any) -> str:
        name = f"constant_{next(self.numbers)}"
        self.names[name] = value
        return name

    def serializer(self, declared: serializers.BaseSerializer[Any], prefix: str) -> str:
        fields = declared.fields  # type: ignore[attr-defined]
        needed_again = {name for field in fields.values() if isinstance(field, Siblings) for name in field.of}
        variables: dict[str, str] = {}
        parts = []
        for name, field in fields.items():
            if isinstance(field, Siblings):
                expression = self.siblings(field, prefix, variables)
            else:
                expression = self.field(field, prefix)
            if name in needed_again:
                # Known to the fields after this one only, because Python evaluates the dictionary in order.
                variables[name] = f"variable_{next(self.numbers)}"
                expression = f"({variables[name]} := {expression})"
            parts.append(f"{name!r}: {expression}")
        return "{" + ", ".join(parts) + "}"

    def nested(self, field: serializers.Field, path: str) -> str:
        return self.serializer(field, path + "__")  # type: ignore[arg-type]

    def siblings(self, field: Siblings, prefix: str, variables: dict[str, str]) -> str:
        if missing := [name for name in field.of if name not in variables]:
            raise TypeError(f"{field.field_name}: {', '.join(missing)} must be declared before it")
        values = [*(variables[name] for name in field.of), *(self.column(prefix + name) for name in field.columns)]
        return f"{self.constant(field.by)}({', '.join(values)})"

    def field(self, field: serializers.Field, prefix: str) -> str:
        path = prefix + (field.source or "").replace(".", "__")
        match field:
            case Derived():
                values = [self.column(prefix + name) for name in field.of]
                made = f"{self.constant(field.by)}({', '.join((['caller'] if field.asks_caller else []) + values)})"
                return f"optional_time({made})" if isinstance(field.child, serializers.DateTimeField) else made
            case ZeroOrOne():
                key = self.column(path + "__id")
                return f"([] if {key} is None else [{self.nested(field.child, path)}])"
            case serializers.BaseSerializer() if field.allow_null:
                key = self.column(path + "__id")
                return f"(None if {key} is None else {self.nested(field, path)})"
            case serializers.BaseSerializer():
                return self.nested(field, path)
            case serializers.DateTimeField() if field.allow_null:
                return f"optional_time({self.column(path)})"
            case serializers.DateTimeField():
                return f"time({self.column(path)})"
            case serializers.FloatField() if field.allow_null:
                value = self.column(path)
                return f"(None if {value} is None else float({value}))"
            case _:
                return self.column(path)
