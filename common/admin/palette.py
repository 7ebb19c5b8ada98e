"""The command palette (Ctrl+K): each app adds what is found of its rows, and users find what they may see."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, cast

from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.http import urlencode
from unfold.dataclasses import SearchResult

from common.admin.bases import ReadOnlyAdmin
from common.admin.links import page_of, view_permission

MOST = 6  # rows of a kind
LONGEST = 200  # characters of a text
SHORTEST = 2

type Shown = Callable[[Any], tuple[str, str]]


@dataclass(frozen=True)
class Finder:
    """Finds rows of `model` for users who may view it.

    `first` sorts what the search of the list has found, or picks from it, with bounded work, and returns at most one
    row more than `MOST`. `shown` returns the title of a row and what distinguishes it from others. `all_text` is the
    text of the link to the list.
    """

    model: type[Model]
    icon: str
    first: Callable[[QuerySet[Any], str], Iterable[Any]]
    shown: Shown
    all_text: str | Promise
    place: int

    @property
    def permission(self) -> str:
        return view_permission(self.model)


_finders: list[Finder] = []


def add_finder(finder: Finder) -> None:
    """Finders are in the order of their places. For `admin` modules of any app."""
    _finders.append(finder)
    _finders.sort(key=lambda one: one.place)


def found(request: HttpRequest, text: str) -> list[SearchResult]:
    """For `UNFOLD["COMMAND"]["search_callback"]`."""
    text = text.strip()
    if not SHORTEST <= len(text) <= LONGEST:
        return []
    permitted = [finder for finder in _finders if request.user.has_perm(finder.permission)]
    return [result for finder in permitted for result in _found(request, finder, text)]


def _found(request: HttpRequest, finder: Finder, text: str) -> list[SearchResult]:
    model_admin = cast("ReadOnlyAdmin", admin.site.get_model_admin(finder.model))
    rows, _may_have_duplicates = model_admin.get_search_results(request, model_admin.get_queryset(request), text)
    shown = list(finder.first(rows, text))
    results = []
    for row in shown[:MOST]:
        title, description = finder.shown(row)
        results.append(SearchResult(title=title, description=description, link=page_of(row), icon=finder.icon))
    if len(shown) > MOST:
        options = finder.model._meta
        address = reverse(f"admin:{options.app_label}_{options.model_name}_changelist")
        every = f"{address}?{urlencode({'q': text})}"
        kind = str(options.verbose_name_plural)
        results.append(SearchResult(title=str(finder.all_text), description=kind, link=every, icon="manage_search"))
    return results
