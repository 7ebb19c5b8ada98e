"""The pages of the audit trail."""

from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy
from unfold.contrib.filters.admin import ChoicesDropdownFilter, FieldTextFilter
from unfold.decorators import display

from common.admin.audit_trail import actor_of, changes_of, moment_of
from common.admin.bases import ReadOnlyAdmin, link, page_with_id
from common.admin.filters import MomentRangeFilter
from common.models import AuditEntry


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnlyAdmin):
    change_form_outer_after_template = None
    list_display = ("moment", "verb", "target", "who", "entry_point_label", "reason", "request_id")
    list_filter = (
        ("entry_point", ChoicesDropdownFilter),
        ("action", FieldTextFilter),
        ("actor_name", FieldTextFilter),
        ("at", MomentRangeFilter),
    )
    ordering = ("-id",)
    sortable_by = ()  # only the key has the true order, because the times are those of several machines
    search_fields = ("request_id",)
    search_help_text = _("Id of a target or an actor, request id, or name of an actor")
    id_fields = ("target_id", "actor_id")
    fieldsets = (
        (None, {"fields": ("moment", "verb", "target", "who", "entry_point_label", "reason", "request_id")}),
        (pgettext_lazy("audit", "Change"), {"fields": ("difference",)}),
    )

    def search(self, queryset: QuerySet[Any], text: str) -> QuerySet[Any]:
        return queryset.filter(Q(request_id=text) | Q(actor_name=text))

    @display(description=_("time"))
    def moment(self, entry: AuditEntry) -> str:
        return moment_of(entry)

    @display(description=_("action"), label=True)
    def verb(self, entry: AuditEntry) -> str:
        return entry.action

    @display(description=_("entry point"), label={"admin": "warning", "command": "info", "task": "info"})
    def entry_point_label(self, entry: AuditEntry) -> str:
        return entry.entry_point

    @display(description=_("by"))
    def who(self, entry: AuditEntry) -> str:
        return actor_of(entry)

    @display(description=_("target"))
    def target(self, entry: AuditEntry) -> str:
        text = f"{entry.target_type} {entry.target_id}"
        for model in self.admin_site._registry:
            if model._meta.model_name == entry.target_type:
                return link(page_with_id(model, entry.target_id), text)
        return text

    @display(description=_("before → after"))
    def difference(self, entry: AuditEntry) -> str:
        return "\n".join(f"{field}: {before} → {after}" for field, before, after in changes_of(entry))
