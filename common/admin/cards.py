"""Cards: what staff must know of a row at once, above its page and wherever else it matters.

An app declares the head of the cards of its model. Any app adds parts to the cards of a lower app, which does not know
it. Only parts that the user may see are read.
"""

from collections import defaultdict
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db.models import Model
from django.http import HttpRequest

from common.admin.links import page_of, view_permission
from common.refusals import Text


@dataclass(frozen=True)
class Head:
    """Who or what the row is. `picture` is an address; without one the initials are shown."""

    title: Text
    subtitle: Text = ""
    picture: str = ""
    initials: str = ""


@dataclass(frozen=True)
class Fact:
    """A value with its label, such as a number, and the address of the list that it sums up."""

    label: Text
    value: Text
    address: str = ""


@dataclass(frozen=True)
class Notice:
    """A sentence that must not be missed. `variant` is one of those of Unfold's labels."""

    text: Text
    address: str = ""
    variant: str = "warning"


@dataclass(frozen=True)
class CardPart:
    """`labels` are pairs of a text and a variant of Unfold's labels, `buttons` pairs of an address and a text."""

    labels: list[tuple[Text, str]] = field(default_factory=list)
    facts: list[Fact] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)
    buttons: list[tuple[str, Text]] = field(default_factory=list)


type HeadOf = Callable[[Any], Head]
type PartOf = Callable[[HttpRequest, Any, datetime], CardPart]

_heads: dict[type[Model], HeadOf] = {}
_parts: dict[type[Model], list[tuple[str, PartOf]]] = defaultdict(list)


def add_card(model: type[Model], head: HeadOf) -> None:
    """The rows of `model` get cards with this head. Call it from the `admin` module of the app of the model."""
    _heads[model] = head


def add_card_part(model: type[Model], part: PartOf, *, permission: str) -> None:
    """Adds a part for users with `permission`, after those that are there. For `admin` modules of any app."""
    _parts[model].append((permission, part))


def has_card(model: type[Model]) -> bool:
    return model in _heads


def card_of(
    request: HttpRequest, row: Model, *, now: datetime, is_linked: bool = True, without: Collection[str] = ()
) -> dict[str, Any] | None:
    """The variable `card` of the template `admin/card.html`; None for a model without cards.

    Parts that need a permission in `without` are left out, for a page that shows the same in full.
    With `is_linked` the head links to the row's page, for users who may see it. The number of statements does not
    depend on the data.
    """
    model = type(row)
    if not has_card(model):
        return None
    parts = [
        part(request, row, now)
        for permission, part in _parts[model]
        if permission not in without and request.user.has_perm(permission)
    ]
    return {
        "head": _heads[model](row),
        "address": page_of(row) if is_linked and request.user.has_perm(view_permission(model)) else "",
        "labels": [label for part in parts for label in part.labels],
        "facts": [fact for part in parts for fact in part.facts],
        "notices": [notice for part in parts for notice in part.notices],
        "buttons": [button for part in parts for button in part.buttons],
    }
