"""The pages of the audit trail: the list with chips and filters, the page of an entry, and the export."""

from html import unescape
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponseNotAllowed, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.html import format_html, strip_tags
from django.utils.module_loading import autodiscover_modules
from django.utils.safestring import SafeString
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from common.admin import audit_words  # noqa: F401 - registers the words of this app
from common.admin.audit_export import FORMATS, export, file_name
from common.admin.audit_filters import (
    AboutFilter,
    ActionFilter,
    EntryPointFilter,
    GroupFilter,
    KindFilter,
    OlderFilter,
    WhoFilter,
    id_before,
    wanted_of,
)
from common.admin.audit_registry import groups
from common.admin.audit_trail import details_of, worded_entries
from common.admin.audit_walk import find
from common.admin.bases import ReadOnlyAdmin
from common.admin.changelist import DeclaredChangeList
from common.admin.filters import MomentRangeFilter
from common.models import AuditEntry

EXPORTING = "common.export_auditentry"


class NoPages(Paginator):
    """Nothing is counted: the list has links to the newest and to older entries instead of numbers of pages."""

    template_name = "admin/audit_pages.html"


class AuditChangeList(DeclaredChangeList):
    """A page of the entries that the walk finds."""

    def get_results(self, request: HttpRequest) -> None:
        times = next((one for one in self.filter_specs if isinstance(one, MomentRangeFilter)), None)
        before = id_before(request)
        self.wanted = wanted_of(request, times, self.query.strip())
        found = find(self.wanted, before=before)
        entries = list(AuditEntry.objects.filter(pk__in=found.ids).order_by("-pk"))
        self.worded = {one.entry.pk: one for one in worded_entries(entries, request)}
        for entry in entries:
            entry.worded = self.worded[entry.pk]  # type: ignore[attr-defined]
        self.result_list, self.result_count = entries, len(entries)
        self.full_result_count, self.show_full_result_count, self.show_admin_actions = len(entries), False, False
        self.can_show_all, self.multi_page = False, False
        self.paginator = NoPages(entries, self.list_per_page)
        self.newest = self.get_query_string(remove=[OlderFilter.parameter_name]) if before else ""
        self.older = self.get_query_string({OlderFilter.parameter_name: found.older}) if found.older else ""
        self.stopped_early = found.older is not None and len(entries) < self.list_per_page
        self.filtered = self.get_query_string(remove=[OlderFilter.parameter_name])
        self.chips = [self._chip("", _("All")), *(self._chip(group.name, group.label) for group in groups())]
        self.may_export = request.user.has_perm(EXPORTING)
        self.texts = {
            "chips": _("Groups of actions"),
            "newest": _("Newest entries"),
            "older": _("Older entries"),
            "end": _("These are the oldest entries that match."),
            "stopped": _("Older entries have not been searched yet."),
        }
        self.formats = [(name, _("Export as %(format)s") % {"format": name.upper()}) for name in FORMATS]

    def _chip(self, value: str, label: Any) -> tuple[str, Any, bool]:
        name = GroupFilter.parameter_name
        address = self.get_query_string({name: value or None}, [OlderFilter.parameter_name])
        return address, label, self.wanted.given.get(name, "") == value


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnlyAdmin):
    change_form_outer_after_template = "admin/audit_entry.html"
    list_before_template = "admin/audit_chips.html"
    list_display = ("moment", "sentence", "entry_point_label", "more")
    list_filter = (
        WhoFilter,
        AboutFilter,
        KindFilter,
        ActionFilter,
        EntryPointFilter,
        ("at", MomentRangeFilter),
        GroupFilter,
        OlderFilter,
    )
    ordering = ("-id",)
    sortable_by = ()  # only the key has the true order, because the times are those of several machines
    search_fields = ("request_id",)
    search_help_text = _("Name or id of a person, id of a target, or request id")
    fieldsets = ((None, {"fields": ("moment", "sentence", "entry_point_in_words")}),)
    readonly_fields = ("moment", "sentence", "entry_point_in_words")

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[DeclaredChangeList]:
        return AuditChangeList

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        return queryset, False  # the walk applies it

    def get_urls(self) -> list[URLPattern]:
        address = path("export/", self.admin_site.admin_view(self.export), name="common_auditentry_export")
        return [address, *super().get_urls()]

    def export(self, request: HttpRequest) -> HttpResponseBase:
        """The entries that the list with this query string has, on all of its pages."""
        if not (request.user.has_perm(EXPORTING) and self.has_view_permission(request)):
            raise PermissionDenied
        name = request.POST.get("format", "")
        if request.method != "POST" or name not in FORMATS:
            return HttpResponseNotAllowed(["POST"])
        shown: Any = self.get_changelist_instance(request)
        chunks = export(shown.wanted, name, by=request.user, language=get_language() or "en")
        headers = {
            "Content-Disposition": f'attachment; filename="{file_name(name, timezone.now())}"',
            "Cache-Control": "no-store",
        }
        return StreamingHttpResponse(chunks, content_type=FORMATS[name].content_type, headers=headers)

    def page_context(self, request: HttpRequest, object_id: str | None) -> dict[str, Any]:
        entry = self.get_object(request, object_id or "")
        return super().page_context(request, object_id) | {"worded": getattr(entry, "worded", None)}

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> AuditEntry | None:
        entry: AuditEntry | None = super().get_object(request, object_id, from_field)
        if entry is not None and not hasattr(entry, "worded"):  # a page asks for its entry several times
            (worded,) = worded_entries([entry], request)
            entry.worded = worded  # type: ignore[attr-defined]
            entry.in_words = unescape(strip_tags(worded.sentence))
        return entry

    @display(description=_("time"))
    def moment(self, entry: Any) -> SafeString:
        shown: SafeString = entry.worded.at
        return shown

    @display(description=_("what happened"))
    def sentence(self, entry: Any) -> SafeString:
        return format_html('<span class="block max-w-prose whitespace-normal">{}</span>', entry.worded.sentence)

    @display(description=_("entry point"), label={"admin": "warning", "command": "info", "task": "info"})
    def entry_point_label(self, entry: Any) -> tuple[str, str]:
        return entry.entry_point, entry.worded.entry_point

    @display(description=_("entry point"))
    def entry_point_in_words(self, entry: Any) -> str:
        return str(entry.worded.entry_point)

    @display(description=_("changes"))
    def more(self, entry: Any) -> str:
        return details_of(entry.worded)


# Apps register their words when the admin is loaded.
autodiscover_modules("audit_words")
