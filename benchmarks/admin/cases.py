"""The pages of the admin, found in its registry: lists with orders, filters and searches, pages of rows, and others."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.contrib.admin import (
    BooleanFieldListFilter,
    ChoicesFieldListFilter,
    RelatedFieldListFilter,
    SimpleListFilter,
)
from django.db.models import Model
from django.http import HttpRequest
from django.test import RequestFactory
from django.urls import URLPattern, reverse
from django.utils import timezone
from unfold.contrib.filters.admin import AutocompleteSelectFilter, FieldTextFilter

from accounts.models import PersonNote
from bans.models import LiveStreamBan
from common.admin import MomentRangeFilter, pages, panels
from common.admin.audit_filters import OlderFilter
from common.admin.changelist import declared_filters
from common.models import AuditEntry
from livestreams.models import LiveStream

# A username, one word and two words that many have, a part of a title, and a word that nobody has.
SEARCHES = ("user77", "ada", "ada demir", "friends 12", "no such thing")
TEXTS = ("ban", "user7", "no such thing")
FURTHER_PAGES = (2, 100)
# Of pages that belong to no model, by name.
QUERIES: dict[str, list[dict[str, str]]] = {
    "review": [{"queue": name} for name in ("appeals", "live", "ending", "rest")],
    "search": [{"s": text} for text in SEARCHES],
}


@dataclass(frozen=True)
class Case:
    path: str
    query: dict[str, str] = field(default_factory=dict)
    title: str = ""  # without ids
    is_front_page: bool = False
    leads_on: bool = False  # may answer with a redirect

    def __str__(self) -> str:
        asked = "&".join(f"{name}={value}" for name, value in self.query.items())
        return (self.title or self.path) + (f"?{asked}" if asked else "")


def cases(user: Any) -> Iterator[Case]:
    """Every page that `user`, a superuser, can open."""
    request = RequestFactory().get("/admin/")
    request.user = user
    yield Case(reverse("admin:index"), is_front_page=True)
    yield from _pages_without_a_model()
    for model, model_admin in sorted(admin.site._registry.items(), key=lambda pair: pair[0]._meta.label):
        yield from _lists(model, model_admin, request)
        yield from _rows(model, model_admin)


# --- lists ----------------------------------------------------------------------------------------


def _lists(model: type[Model], model_admin: Any, request: HttpRequest) -> Iterator[Case]:
    path = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
    yield Case(path)
    for number in FURTHER_PAGES:
        yield Case(path, {"p": str(number)})
    shown = model_admin.get_changelist_instance(request)
    for place, name in enumerate(shown.list_display):
        if name in (shown.sortable_by or ()) and shown.get_ordering_field(name):
            yield Case(path, {"o": str(place)})
            yield Case(path, {"o": f"-{place}"})
    if model_admin.get_search_fields(request):
        for text in (*SEARCHES, *(str(row.pk) for row in _ends(model)[-1:])):
            yield Case(path, {"q": text})
    for one in declared_filters(model_admin, request):
        for query in values_of(one):
            yield Case(path, query)
        if isinstance(one, AutocompleteSelectFilter):
            yield from _select_box(model, one)


def values_of(one: Any) -> Iterator[dict[str, str]]:
    """Queries with each value of the filter; of a text, a time or a related row with some.

    Raises ValueError for a kind of filter that is not known here.
    """
    name = next(iter(one.expected_parameters()))
    match one:
        case OlderFilter():
            values = [str(row.pk) for row in _ends(AuditEntry)]
        case SimpleListFilter() if getattr(one, "takes_any_text", False):
            values = list(SEARCHES)
        case SimpleListFilter():
            values = [str(value) for value, _ in one.lookup_choices]
        case MomentRangeFilter():
            yield from _ranges(one.parameter_name)
            return
        case FieldTextFilter():
            values = list(TEXTS)
        case RelatedFieldListFilter():
            related: Any = one.field.related_model
            values = list(dict.fromkeys(str(row.pk) for row in _ends(related)))
        case BooleanFieldListFilter():
            values = ["1", "0"]
        case ChoicesFieldListFilter():
            values = [str(value) for value, _ in one.field.flatchoices]
        case _:
            raise ValueError(f"{type(one).__name__}: this filter has no values here")
    for value in values:
        yield {name: value}


def _ranges(name: str) -> Iterator[dict[str, str]]:
    """The last day, one day long ago, and everything until a month ago."""
    today = timezone.localdate()
    long_ago = today - timedelta(days=200)
    yield {f"{name}_from_0": str(today - timedelta(days=1))}
    yield {f"{name}_from_0": str(long_ago), f"{name}_to_0": str(long_ago)}
    yield {f"{name}_to_0": str(today - timedelta(days=30))}


def _select_box(model: type[Model], one: Any) -> Iterator[Case]:
    names = {"app_label": model._meta.app_label, "model_name": model._meta.model_name, "field_name": one.field.name}
    for text in ("", *SEARCHES):
        yield Case(reverse("admin:autocomplete"), names | {"term": text})


def _ends(model: type[Model]) -> list[Any]:
    """The first and the last row by key, if there are rows."""
    rows = model._base_manager.order_by("pk")
    return [row for row in (rows.first(), rows.last()) if row is not None]


# --- rows and other pages -------------------------------------------------------------------------


def _rows(model: type[Model], model_admin: Any) -> Iterator[Case]:
    """All pages of the first and the last row: the row itself with each tab, its history, the forms of actions."""
    patterns = [each for each in model_admin.get_urls() if isinstance(each, URLPattern) and each.name]
    of_rows = [str(each.name) for each in patterns if "object_id" in each.pattern.converters]
    for place, row in zip(("oldest", "newest"), _ends(model), strict=False):
        for name in of_rows:
            if name.endswith("_delete"):
                continue
            case = Case(reverse(f"admin:{name}", args=[row.pk]), title=f"{name}, the {place} row")
            yield case
            if name.endswith("_change"):
                for panel in panels.panels_of(model)[1:]:
                    yield Case(case.path, {panels.PARAMETER: panel.name}, case.title)


def _pages_without_a_model() -> Iterator[Case]:
    """Also those about a row: for one that has what the page shows."""
    for pattern in pages.added():
        values = [_value_of(name) for name in pattern.pattern.converters]
        if None not in values:
            case = Case(reverse(f"admin:{pattern.name}", args=values), title=str(pattern.name), leads_on=True)
            yield case
            for query in QUERIES.get(str(pattern.name), ()):
                yield replace(case, query=query)
    for query in QUERIES["search"]:
        yield Case(reverse("admin:search"), query)
    yield Case(reverse("admin:password_change"))


def _value_of(parameter: str) -> str | None:
    """The newest id for a parameter of an address. Raises KeyError for a parameter that is not known here."""
    bans = LiveStreamBan.objects.filter(review="unreviewed").order_by("pk")
    rows = {
        "ban_id": bans.values("pk"),
        "batch_id": bans.filter(batch_id__isnull=False).values("batch_id"),
        "note_id": PersonNote.objects.order_by("pk").values("pk"),
        "person_id": bans.values("target"),
        "stream_id": LiveStream.objects.filter(status="active").order_by("pk").values("pk"),
    }
    newest = rows[parameter].last()
    return next(iter(newest.values())) if newest else None
