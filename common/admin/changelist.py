"""Restricts the query string of an admin list to the filters that the list declares.

Django lets the query string filter by every column of the model and sort by every column of the list. A user who may
view a list could then find out the values of columns that it does not show, with one comparison after the other.
"""

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin import FieldListFilter, ListFilter
from django.contrib.admin.utils import get_fields_from_path
from django.contrib.admin.views.main import ORDER_VAR, ChangeList
from django.core.paginator import InvalidPage
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _

from common.admin import counting
from common.admin.columns import columns_for, with_values
from common.admin.filters import MOST_SHOWN, MomentRangeFilter, refuse_wrong_values
from common.admin.rows import Table, table_of
from common.error_pages import RefusedParameter


class DeclaredChangeList(ChangeList):
    """Raises `RefusedParameter` for a parameter that no filter of `list_filter` declares, and for a wrong value."""

    def get_filters_params(self, params: Any = None) -> Any:
        """Without empty parameters: the filter form sends all its fields."""
        sent = super().get_filters_params(params)
        return {name: values for name, values in sent.items() if any(values)}

    def get_filters(self, request: HttpRequest) -> Any:
        for name in self.get_filters_params():
            if not self.model_admin.lookup_allowed(name, "", request):
                shown = name[:MOST_SHOWN]
                raise RefusedParameter(_("%(name)s: this list has no such filter") % {"name": shown})
        # All declared filters: Django drops one without choices, whose parameter would then not be checked.
        every = declared_filters(self.model_admin, request)
        refuse_wrong_values(every, self.get_filters_params())
        found = super().get_filters(request)
        for shown in found[0]:
            if isinstance(shown, MomentRangeFilter):
                shown.refuse_wrong()
        return found

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> QuerySet[Any]:
        """In the order of the columns that the query string names, if an index has it or the rows are few enough."""
        rows: QuerySet[Any] = super().get_queryset(request, exclude_parameters)
        if not self._sorts_without_an_index():
            return rows
        order = self.root_queryset.query.order_by
        in_order = rows.order_by(*(order or ("pk",)))
        paginator: Any = self.model_admin.get_paginator(request, in_order, self.list_per_page)
        if not paginator.is_bounded:
            return rows
        text = _("A column sorts up to %(most)d rows. Filter the list first.") % {"most": counting.COUNTED}
        messages.warning(request, text)
        return rows.order_by(*order)

    def _sorts_without_an_index(self) -> bool:
        """PostgreSQL would read and sort all rows of the list for one page."""
        if ORDER_VAR not in self.params:
            return False
        names = [
            self.list_display[place] for place in self.get_ordering_field_columns() if place < len(self.list_display)
        ]
        sorting = [name for name in names if self.get_ordering_field(name)]
        # An index with the first column leaves few equal rows to be sorted by the others.
        model_admin: Any = self.model_admin
        return bool(sorting) and sorting[0] not in model_admin.indexed_columns

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        paginator: Any = self.paginator
        if not self.multi_page and (keys := paginator.keys_of_all) is not None:
            self.result_list = self.queryset.filter(pk__in=keys)
        if not self.params or paginator.is_bounded:
            # Then the heading of Unfold does not say how many of all rows are shown: all are, or nobody has counted.
            self.full_result_count = self.result_count
        if columns := columns_for(request, self.model):
            self.result_list = list(self.result_list)
            with_values(columns, self.result_list)

    def table(self) -> Table:
        """What the template of the list shows."""
        return table_of(self)

    def get_ordering_field(self, field_name: Any) -> Any:
        """None, which does not sort, for a column that is not in `sortable_by`: Django only hides its link."""
        return super().get_ordering_field(field_name) if field_name in (self.sortable_by or ()) else None


def declared_parameters(model_admin: "admin.ModelAdmin[Any]", request: HttpRequest) -> frozenset[str]:
    """The names that the filters in `list_filter` take from the query string."""
    filters = declared_filters(model_admin, request)
    return frozenset(name for each in filters for name in each.expected_parameters() if name)


def declared_filters(model_admin: "admin.ModelAdmin[Any]", request: HttpRequest) -> list[ListFilter]:
    """The filters in `list_filter`, created as the list does, with an empty query string; once for a request.

    Django asks about each parameter by itself, and some filters are expensive to create.
    """
    created = request.__dict__.setdefault("_declared_filters", {})
    if model_admin.model not in created:
        created[model_admin.model] = [
            _filter(declared, model_admin, request) for declared in model_admin.get_list_filter(request)
        ]
    found: list[ListFilter] = created[model_admin.model]
    return found


def _filter(declared: Any, model_admin: "admin.ModelAdmin[Any]", request: HttpRequest) -> ListFilter:
    model = model_admin.model
    if callable(declared):
        return declared(request, {}, model, model_admin)
    path, make = declared if isinstance(declared, (tuple, list)) else (declared, FieldListFilter.create)
    field = get_fields_from_path(model, path)[-1]
    return make(field, request, {}, model, model_admin, field_path=path)


# Unfold's site has a search. Other programs may load these models with Django's admin site, which has none.
_search = getattr(admin.site, "search", None)


def search_pages(request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
    """The search of the sidebar. Raises `RefusedParameter` for an invalid page, on which Unfold's view crashes."""
    try:
        answer: HttpResponse = _search(request, extra_context)  # type: ignore[misc]
    except (InvalidPage, ValueError) as error:
        raise RefusedParameter(_("page: there is no such page")) from error
    return answer


if _search is not None:
    admin.site.search = search_pages  # type: ignore[attr-defined]
