"""Base classes of read-only admin pages: lists, and the page of one row with its audit trail."""

from collections.abc import Iterable, Mapping
from functools import reduce
from operator import or_
from typing import Any

import unfold.fields
from django.contrib import admin
from django.contrib.admin import ActionLocation, helpers, options, sites, utils
from django.contrib.admin.utils import unquote
from django.db.models import Model, Q, QuerySet, Value
from django.db.models.constants import LOOKUP_SEP
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy
from unfold.admin import ModelAdmin

from common.admin.audit_trail import trail_of
from common.admin.cards import card_of, has_card
from common.admin.changelist import DeclaredChangeList, declared_parameters
from common.admin.columns import cell, columns_for
from common.admin.counting import BoundedPaginator
from common.admin.panels import has_panels, tabs_of
from common.admin.search import Found, WordSearch
from common.capitals import use_in
from common.fields import OBJECT_ID
from common.refusals import Text

use_in([helpers, options, sites, utils, unfold.fields])

# Columns that many tables have. Models give them no names, and Django would make English ones of their identifiers.
COLUMN_NAMES = {
    "id": pgettext_lazy("column", "id"),
    "created_at": pgettext_lazy("column", "created"),
    "updated_at": pgettext_lazy("column", "last change"),
    "deleted_at": pgettext_lazy("column", "deleted"),
    "deleted_by": pgettext_lazy("column", "deleted by"),
}


class ReadOnlyAdmin(ModelAdmin):
    """Read-only pages for users with the view permission."""

    # Without a second COUNT, over all rows without the filters, just to show "of 100,000".
    show_full_result_count = False
    list_per_page = 50
    paginator = BoundedPaginator
    indexed_columns: tuple[str, ...] = ()
    """Columns whose order an index has. The others sort lists of up to `COUNTED` rows."""
    added_columns_after: str | None = None
    """The column after which `add_columns` puts those of other apps; None puts them at the end."""
    list_filter_submit = True
    show_facets = admin.ShowFacets.NEVER  # each facet would count the whole table once more
    change_form_outer_before_template: str | None = "admin/card_of_page.html"
    change_form_outer_after_template: str | None = "admin/audit_trail.html"
    id_fields: tuple[str, ...] = ("pk",)
    """The fields that a search for an id is compared with."""
    word_search: WordSearch | None = None
    autocomplete_related: tuple[str, ...] = ()
    """The related rows that `autocomplete_text` reads."""
    column_names: Mapping[str, Text] = {}
    """Names of columns that have none in the model, besides `COLUMN_NAMES`."""

    def __init__(self, model: type[Model], admin_site: Any) -> None:
        super().__init__(model, admin_site)
        for name, text in (COLUMN_NAMES | dict(self.column_names)).items():
            for column in model._meta.concrete_fields:
                # `_verbose_name` is what the model says, and what migrations compare.
                if column.name == name and column._verbose_name is None:  # type: ignore[attr-defined]
                    column.verbose_name = text

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return bool(super().has_view_permission(request, obj))

    def get_list_display(self, request: HttpRequest) -> Any:
        declared = list(super().get_list_display(request))
        added = [cell(name, title) for one in columns_for(request, self.model) for name, title in one.titles.items()]
        place = len(declared) if self.added_columns_after is None else declared.index(self.added_columns_after) + 1
        return [*declared[:place], *added, *declared[place:]]

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        """Reads the row once for a page: Django, the action buttons, the card and the tabs each ask for it."""
        if request.method != "GET":
            return super().get_object(request, object_id, from_field)
        read = request.__dict__.setdefault("_rows_read", {})
        key = (self.model, object_id, from_field)
        if key not in read:
            read[key] = super().get_object(request, object_id, from_field)
        return read[key]

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[DeclaredChangeList]:
        return DeclaredChangeList

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Only declared filters. Django would allow every column of the model, including password hashes."""
        return lookup in declared_parameters(self, request)

    def to_field_allowed(self, request: HttpRequest, to_field: str) -> bool:
        """Only the primary key identifies a row."""
        return to_field == self.opts.pk.name

    def get_action_choices(
        self,
        request: HttpRequest,
        default_choices: list[tuple[str, Any]] | None = None,
        action_location: ActionLocation = ActionLocation.CHANGE_LIST,
    ) -> list[tuple[str, Any]]:
        # Skips Unfold's method, which lacks a parameter that Django 6.1 added.
        choose = default_choices or [("", _("Select action"))]
        return super(ModelAdmin, self).get_action_choices(request, choose, action_location)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        wanted = search_term.strip().lower()
        if OBJECT_ID.fullmatch(wanted):
            return queryset.filter(self._with_id(wanted)), False
        if not wanted:
            return queryset, False
        found = self.search(queryset, search_term.strip())
        if isinstance(found, Found):
            if found.is_cut and request.resolver_match and request.resolver_match.url_name == self._list_name:
                self.message_user(request, _("Too many rows have these words: some may be missing here. Add a word."))
            found = found.rows
        return found, False

    def _with_id(self, wanted: str) -> Q:
        """One of `id_fields` is `wanted`. One statement if they are columns of several tables.

        OR over several tables would read all rows. But an id is that of a person, or of a stream, etc., so the columns
        that have it are found first.
        """
        fields: Iterable[str] = self.id_fields
        if any(LOOKUP_SEP in field for field in fields):
            rows = self.model._base_manager.order_by()
            first, *others = (rows.filter(**{one: wanted}).values_list(Value(one))[:1] for one in fields)
            fields = [field for (field,) in first.union(*others, all=True)]
        return reduce(or_, (Q(**{field: wanted}) for field in fields), Q(pk__in=[]))

    @property
    def _list_name(self) -> str:
        return f"{self.opts.app_label}_{self.opts.model_name}_changelist"

    def search(self, queryset: QuerySet[Any], text: str) -> QuerySet[Any] | Found:
        """The rows that match `text`, which is not empty and not an id."""
        return queryset.none() if self.word_search is None else self.word_search.found(queryset, text)

    def autocomplete_text(self, row: Any) -> str:
        """The row among the choices of a filter."""
        return str(row)

    def describe(self, row: Any) -> str:
        """A text that distinguishes this row from others with the same name."""
        return str(row.pk)

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        context = self.page_context(request, object_id) | (extra_context or {})
        return super().changeform_view(request, object_id, form_url, context)

    def page_context(self, request: HttpRequest, object_id: str | None) -> dict[str, Any]:
        """The variables of an object's page, besides those of Django and Unfold.

        A page with tabs shows no audit trail below them: one of the tabs is the trail.
        """
        row = self._shown_row(request, object_id)
        tabs = None if row is None else tabs_of(request, row)
        card = None if row is None else card_of(request, row, now=timezone.now(), is_linked=False)
        trail = None if tabs else self._trail_of(request, object_id)
        return {"card": card, "tabs": tabs, "tabs_label": _("More about this"), "audit_trail": trail}

    def _shown_row(self, request: HttpRequest, object_id: str | None) -> Model | None:
        """The row, if its page has a card or tabs, and the user may see it."""
        if not (has_card(self.model) or has_panels(self.model)):
            return None
        row: Model | None = self.get_object(request, unquote(object_id or ""))
        return row if row is not None and self.has_view_permission(request, row) else None

    def _trail_of(self, request: HttpRequest, object_id: str | None) -> dict[str, Any] | None:
        target_id = unquote(object_id or "")
        if not OBJECT_ID.fullmatch(target_id) or not request.user.has_perm("common.view_auditentry"):
            return None
        return trail_of(request, str(self.opts.model_name), target_id)


class SoftDeleteAdmin(ReadOnlyAdmin):
    """Includes soft-deleted rows, because operators look for them."""

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        queryset: QuerySet[Any] = self.model.all_objects.get_queryset()
        return queryset.order_by(*self.get_ordering(request))


class DeletedFilter(admin.SimpleListFilter):
    title = pgettext_lazy("state", "deleted")
    parameter_name = "deleted"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("no", _("No")), ("yes", _("Yes"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() not in {"no", "yes"}:
            return queryset
        return queryset.filter(deleted_at__isnull=self.value() == "no")


def described(row: Model) -> str:
    """What distinguishes the row from others with the same name, as its pages say it."""
    model_admin: Any = admin.site.get_model_admin(type(row))
    return str(model_admin.describe(row))
