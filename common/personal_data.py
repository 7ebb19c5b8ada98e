"""What is stored about a person: which rows and columns, how they are exported, and how they are erased.

An app declares it in a function of its `personal_data.py`, and `settings.PERSONAL_DATA` names these functions. A test
fails for a column that can hold personal data and is not declared: see `unclassified`.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from django.conf import settings
from django.db import models
from django.db.models import Q, QuerySet

from common.fields import ObjectIdField
from common.hooks import Hook
from common.search import FoldedColumn

ERASED = "[erased]"  # what texts are replaced by; not translated, because it is stored


@dataclass(frozen=True)
class Remove:
    """The rows are removed, with those that depend on them."""


@dataclass(frozen=True)
class Replace:
    """The columns get these values, or expressions. `first` is called before with the rows, which are locked."""

    values: Mapping[str, Any]
    first: Callable[[list[Any]], None] = lambda rows: None


@dataclass(frozen=True)
class Keep:
    """Nothing is erased, for this reason."""

    reason: str


@dataclass(frozen=True)
class Rewrite:
    """`change` changes these columns of a locked row, for the person with the id, and returns which it changed."""

    columns: frozenset[str]
    change: Callable[[Any, str], list[str]]


@dataclass(frozen=True)
class Elsewhere:
    """What `by` describes erases these columns."""

    by: str
    columns: frozenset[str]


type Erasure = Remove | Replace | Rewrite | Keep | Elsewhere


@dataclass(frozen=True)
class Source:
    """The rows of `model` that have the id of a person under the path `person`, or for which `where` is true.

    `name` is their key in an export. All columns are exported but those that are `withheld`, each for a reason.
    `kept` are columns with text that the erasure leaves, each for a reason.

    `is_about` says that what anybody does to such a row is about the person, so that the texts of these entries of the
    audit trail are erased, and not only those that the person wrote. `created_by` is the action with which a person
    makes a row of their own, by which entries of rows that were removed since are found.
    """

    name: str
    model: type[models.Model]
    person: str
    erasure: Erasure
    withheld: Mapping[str, str] = field(default_factory=dict)
    kept: Mapping[str, str] = field(default_factory=dict)
    is_about: bool = True
    created_by: str = ""
    where: Callable[[str], Q] | None = None

    def rows(self, person_id: str) -> QuerySet[Any]:
        """Deleted rows too."""
        return self.model._base_manager.filter(self.where(person_id) if self.where else Q(**{self.person: person_id}))

    def columns(self) -> list["models.Field[Any, Any]"]:
        """What is exported."""
        return [column for column in self.model._meta.concrete_fields if column.name not in self.withheld]

    @property
    def erased(self) -> set[str]:
        """The names of the columns that are erased."""
        match self.erasure:
            case Remove():
                return {column.name for column in self.model._meta.concrete_fields}
            case Replace(values=values):
                return {*values, *self._folded(values)}
            case Elsewhere(columns=columns) | Rewrite(columns=columns):
                return set(columns)
        return set()

    def _folded(self, values: Mapping[str, Any]) -> dict[str, str]:
        """The folded columns that are made of the replaced ones."""
        found = {}
        for column in self.model._meta.concrete_fields:
            if isinstance(column, FoldedColumn) and not values.keys().isdisjoint(column.of):
                found[column.name] = column.made_of(values[name] for name in column.of)
        return found

    def values(self) -> dict[str, Any]:
        """The values of `Replace`, with those of folded columns."""
        assert isinstance(self.erasure, Replace)  # noqa: S101 - asked for no other
        return {**self.erasure.values, **self._folded(self.erasure.values)}


@dataclass(frozen=True)
class NotPersonal:
    """Columns of `model` that hold no personal data, or none that can be found by a person, each with the reason.

    The column `*` stands for all.
    """

    model: type[models.Model]
    columns: Mapping[str, str]


@dataclass(frozen=True)
class TrailKeys:
    """Keys of `before` and `after` in the audit trail that are no columns of the rows of `kind`.

    The values of `names` are usernames, those of `searches` words that somebody searched for. `others` hold no personal
    data, each for a reason.
    """

    kind: str
    names: frozenset[str] = frozenset()
    searches: frozenset[str] = frozenset()
    others: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Obstacle:
    """`found` returns why a person cannot be erased now, "" if nothing hinders it."""

    found: Callable[[str], str]


type Declaration = Source | NotPersonal | TrailKeys | Obstacle


class Declarations(Protocol):
    """Returns what an app declares."""

    def __call__(self) -> Iterable[Declaration]: ...


PERSONAL_DATA: Hook[Declarations] = Hook("PERSONAL_DATA", Declarations)


def sources() -> list[Source]:
    return [each for each in _declared() if isinstance(each, Source)]


def trail_keys() -> list[TrailKeys]:
    return [each for each in _declared() if isinstance(each, TrailKeys)]


def obstacles(person_id: str) -> list[str]:
    """Why the person cannot be erased now."""
    found = [each.found(person_id) for each in _declared() if isinstance(each, Obstacle)]
    return [reason for reason in found if reason]


def _declared() -> Iterator[Declaration]:
    for declared in PERSONAL_DATA.functions().values():
        yield from declared()


# --- keys of the audit trail ----------------------------------------------------------------------


def texts_of_kinds() -> dict[str, frozenset[str]]:
    """By kind of target, the keys of `before` and `after` whose texts are erased."""
    found: dict[str, frozenset[str]] = {}
    for source in sources():
        kind = str(source.model._meta.model_name)
        texts = {column.name for column in source.model._meta.concrete_fields if can_hold_text(column)}
        found[kind] = found.get(kind, frozenset()) | (texts & source.erased)
    return found


def followed_kinds() -> frozenset[str]:
    """The kinds of rows that stay. Entries about such a row need not have the id of the person."""
    return frozenset(
        str(source.model._meta.model_name)
        for source in sources()
        if source.is_about and isinstance(source.erasure, Replace)
    )


def ids_of_kinds() -> dict[str, frozenset[str]]:
    """By kind of target, the keys of `before` and `after` with the id of the person whom the row is about."""
    found: dict[str, frozenset[str]] = {}
    for source in sources():
        if source.is_about and source.person and "__" not in source.person:
            kind = str(source.model._meta.model_name)
            found[kind] = found.get(kind, frozenset()) | {source.person, f"{source.person}_id"}
    return found


# --- completeness ---------------------------------------------------------------------------------

_HOLD_NO_TEXT = (
    models.BooleanField,
    models.DateField,  # and DateTimeField
    models.TimeField,
    models.DurationField,
    models.IntegerField,
    models.FloatField,
    models.DecimalField,
)


def can_hold_text(column: "models.Field[Any, Any]") -> bool:
    """Texts, JSON, bytes, addresses, files, and types that nobody has thought of yet."""
    if isinstance(column, models.GeneratedField):
        return column.output_field is None or can_hold_text(column.output_field)
    # A column of choices can hold nothing that a person writes.
    return not (column.is_relation or column.flatchoices or isinstance(column, (*_HOLD_NO_TEXT, ObjectIdField)))


def _names_a_person(column: "models.Field[Any, Any]") -> bool:
    if column.is_relation:
        return bool(column.related_model is not None and column.related_model._meta.label == settings.AUTH_USER_MODEL)
    # An id without a foreign key, which may be that of a person.
    return isinstance(column, ObjectIdField) and not column.primary_key


def unclassified(tables: Iterable[type[models.Model]]) -> list[str]:
    """The columns that may hold personal data and are not declared, as `app.Model.column`."""
    declared = list(_declared())
    return [
        f"{model._meta.label}.{column.name}"
        for model in tables
        for column in model._meta.concrete_fields
        if (can_hold_text(column) or _names_a_person(column)) and not _is_classified(model, column, declared)
    ]


def _is_classified(
    model: type[models.Model], column: "models.Field[Any, Any]", declared: Iterable[Declaration]
) -> bool:
    for each in declared:
        if isinstance(each, TrailKeys | Obstacle) or each.model is not model:
            continue
        if isinstance(each, NotPersonal):
            names = {*each.columns} | ({column.name} if "*" in each.columns else set())
        else:
            names = {*each.erased, *each.kept, each.person}
        if column.name in names:
            return True
    return False
