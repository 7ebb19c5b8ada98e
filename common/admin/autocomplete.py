"""Choosing a row by typing: the texts distinguish rows with the same name."""

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.views.autocomplete import AutocompleteJsonView
from django.db.models import QuerySet
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from unfold.contrib.filters.admin import AutocompleteSelectFilter
from unfold.contrib.filters.forms import AutocompleteDropdownForm


def _text_of(row: Any) -> str:
    model_admin: Any = admin.site.get_model_admin(type(row))
    return str(model_admin.autocomplete_text(row))


def _with_related(rows: QuerySet[Any], model_admin: Any) -> QuerySet[Any]:
    related = model_admin.autocomplete_related
    return rows.select_related(*related) if related else rows  # without names, Django would join all relations


class DistinguishingView(AutocompleteJsonView):
    model_admin: Any

    def get_queryset(self) -> QuerySet[Any]:
        rows = _with_related(super().get_queryset(), self.model_admin)
        return rows if rows.ordered else rows.order_by("-pk")  # a list may find its order elsewhere

    def serialize_result(self, obj: Any, to_field_name: str) -> dict[str, str]:
        return super().serialize_result(obj, to_field_name) | {"text": _text_of(obj)}


def _autocomplete_view(request: HttpRequest) -> HttpResponseBase:
    return DistinguishingView.as_view(admin_site=admin.site)(request)


admin.site.autocomplete_view = _autocomplete_view  # type: ignore[method-assign, assignment]


class _RowField(forms.ModelChoiceField):
    def label_from_instance(self, obj: Any) -> str:
        return _text_of(obj)


class _RowForm(AutocompleteDropdownForm):
    """Unfold's form, in which the chosen row has the same text as in the list of choices, also a deleted row."""

    field = _RowField

    def __init__(self, *args: Any, request: HttpRequest, name: str, field: Any, **kwargs: Any) -> None:
        super().__init__(request, name, *args, field=field, **kwargs)
        model_admin: Any = admin.site.get_model_admin(field.remote_field.model)
        rows = _with_related(model_admin.get_queryset(request), model_admin)
        self.fields[name].queryset = rows


class RowFilter(AutocompleteSelectFilter):
    """A filter of a list by a related row, whose text tells it apart from others with the same name."""

    form_class = _RowForm
