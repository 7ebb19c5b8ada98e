"""How audit rows are worded: each app registers sentences for its actions, and names for the rows that they changed.

An app has this in its module `audit_words`, which is loaded with the admin. `docs/decisions/0039` says why.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

from django.db import models
from django.db.models import Model
from django.utils.translation import gettext_lazy as _

from common.refusals import Text


@dataclass(frozen=True)
class Group:
    """A group of actions: a chip above the list. `name` is its value of the parameter `group`; `place` orders chips."""

    name: str
    label: Text
    place: int


GONE: Text = _("a row that was removed")


@dataclass(frozen=True)
class Reference:
    """The row of another kind that a row belongs to.

    `path` leads from the row to its id, as in a queryset. `noted` is the key of `before` or `after` that has the id,
    for rows that are removed. With `finds`, the filter for a person finds the entries of such rows. With `is_part`,
    the page of the other row shows the entries of this one.
    """

    kind: str
    path: str
    noted: str
    finds: bool = False
    is_part: bool = False


@dataclass(frozen=True)
class Field:
    """A key of `before` and `after` in words. `kind` is that of the rows whose ids are its values."""

    label: Text
    kind: str = ""
    worded: Callable[[Any], Text] | None = None


@dataclass(frozen=True)
class Kind:
    """The rows of one model as targets of audit rows.

    `own` is the name of the row itself in sentences, `title` the column with it, `title_noted` the key of `before` or
    `after` that has it, and `gone` its text when the row is removed. `refers` are further names.
    `fields` are the keys of `before` and `after` that the model does not have, or has without a translated label.
    """

    name: str
    label: Text
    model: type[Model] | None = None
    own: str = ""
    title: str = ""
    title_noted: str = ""
    gone: Text = GONE
    refers: Mapping[str, Reference] = field(default_factory=dict)
    fields: Mapping[str, Text | Field] = field(default_factory=dict)
    find: Callable[[str, int], list[str]] | None = None
    """Returns the ids of at most so many rows whose name has the words of a text. Only for people."""


@dataclass(frozen=True)
class Action:
    """One action of the trail.

    `name` is its text in the filter. `sentence` has the placeholders `%(actor)s`, the names that the kind has, and
    `%(<key>)s` for the values of `after` and `before`. `variants` is a key of `after`, and sentences for its values.
    """

    action: str
    kind: str
    group: str
    name: Text
    sentence: Text
    variants: tuple[str, Mapping[Any, Text]] | None = None

    def sentences(self) -> list[Text]:
        return [self.sentence, *(self.variants[1].values() if self.variants else ())]


_groups: dict[str, Group] = {}
_kinds: dict[str, Kind] = {}
_actions: dict[str, Action] = {}


def add_group(group: Group) -> None:
    """Raises ValueError when the group is registered already."""
    if group.name in _groups:
        raise ValueError(f"the group {group.name!r} is registered already")
    _groups[group.name] = group


def add_kind(kind: Kind) -> None:
    """Raises ValueError when the kind is registered already."""
    if kind.name in _kinds:
        raise ValueError(f"the kind {kind.name!r} is registered already")
    _kinds[kind.name] = kind


def add_action(action: Action) -> None:
    """Raises ValueError when the action is registered already."""
    if action.action in _actions:
        raise ValueError(f"the action {action.action!r} is registered already")
    _actions[action.action] = action


def groups() -> list[Group]:
    return sorted(_groups.values(), key=lambda group: group.place)


def kinds() -> Mapping[str, Kind]:
    return _kinds


def actions() -> Mapping[str, Action]:
    return _actions


def actions_of(group: str) -> list[str]:
    return sorted(name for name, action in _actions.items() if action.group == group)


def actions_on(kind: str) -> list[str]:
    return sorted(name for name, action in _actions.items() if action.kind == kind)


def people_kind() -> Kind:
    """The kind of the people, among whom the filters search. Raises LookupError when no app registers one."""
    for kind in _kinds.values():
        if kind.find is not None:
            return kind
    raise LookupError("no app registers how people are found")


# --- keys of before and after ---------------------------------------------------------------------


@lru_cache(maxsize=128)
def fields_of(kind_name: str) -> Mapping[str, Field]:
    """The keys of `before` and `after` of a kind in words: those of its model, and those that it registers."""
    kind = _kinds.get(kind_name)
    if kind is None:
        return {}
    found: dict[str, Field] = {}
    for column in kind.model._meta.concrete_fields if kind.model else ():
        found[column.name] = found[column.attname] = _field_of(column)
    for key, given in kind.fields.items():
        found[key] = given if isinstance(given, Field) else replace(found.get(key, Field("")), label=given)
    return found


def _field_of(column: "models.Field[Any, Any]") -> Field:
    choices = dict(column.flatchoices)
    worded = (lambda value: choices.get(value, value)) if choices else None
    related = column.related_model._meta.model_name if column.is_relation and column.related_model else ""
    return Field(column.verbose_name, kind=related or "", worded=worded)
