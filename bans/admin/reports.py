"""The queue of cases and the page of a case, where moderators read the reports of a stream and decide."""

from datetime import datetime
from typing import Any

from django.contrib import admin
from django.db.models import F, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html_join
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy
from unfold.contrib.filters.admin import AutocompleteSelectFilter, ChoicesDropdownFilter
from unfold.decorators import display
from unfold.enums import ActionVariant

from bans.admin.filters import ReasonFilter
from bans.admin.moderation import ModerationAdmin
from bans.admin.search import CASE_SEARCH
from bans.models import ReportCase
from bans.reasons import name_of
from bans.services import dismiss_case, mark_acted_on, refuse_decision
from common.admin import AdminAction, RowFilter, link, linked
from common.times import written

State = ReportCase.State
REPORTS_SHOWN = 100


def _decidable(case: ReportCase, /, *, by: Any, now: datetime) -> None:
    refuse_decision(case, by=by)


MARK_ACTED_ON = AdminAction(
    name="mark_acted_on",
    service=mark_acted_on,
    rule=_decidable,
    label=_("Mark as acted on"),
    done=ngettext_lazy("%(count)d case was marked.", "%(count)d cases were marked.", "count"),
    icon="task_alt",
    variant=ActionVariant.PRIMARY,
)
DISMISS = AdminAction(
    name="dismiss_case",
    service=dismiss_case,
    rule=_decidable,
    label=_("Dismiss"),
    done=ngettext_lazy("%(count)d case was dismissed.", "%(count)d cases were dismissed.", "count"),
    icon="cancel",
    variant=ActionVariant.WARNING,
)


@admin.register(ReportCase)
class ReportCaseAdmin(ModerationAdmin):
    """Open cases come first, those with most reports at the top."""

    admin_actions = (MARK_ACTED_ON, DISMISS)
    list_display = ("reported", "state_label", "report_count", "why", "updated_at", "decided")
    list_select_related = ("decided_by",)
    list_filter = (
        ("state", ChoicesDropdownFilter),
        ReasonFilter,
        ("stream", RowFilter),
        ("decided_by", AutocompleteSelectFilter),
    )
    ordering = (F("decided_at").desc(nulls_first=True), "-report_count", "-id")
    search_fields = ("stream__title",)
    search_help_text = _("Words of the title and of the creator's names, or id of a case, a stream or a creator")
    word_search = CASE_SEARCH
    id_fields = ("pk", "stream_id", "stream__creator_id")
    readonly_fields = ("creator", "why", "elsewhere")
    fieldsets = (
        (None, {"fields": ("stream", "creator", "elsewhere", "report_count", "why", "created_at")}),
        (_("Decision"), {"fields": ("state", "decided_by", "decided_at", "decision")}),
        (_("Details"), {"classes": ("collapse",), "fields": ("id", "updated_at")}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Streams, also deleted ones, and creators are prefetched: a join would widen the rows that are sorted."""
        cases = super().get_queryset(request).select_related(*self.list_select_related)
        return cases.prefetch_related("stream__creator")

    def version_of(self, row: ReportCase) -> str:
        """Without the reports: otherwise a stream that is reported all the time could never be decided about."""
        return row.state

    def describe(self, row: ReportCase) -> str:
        return f"{row.stream} · {row.stream.creator} · {reasons_of(row)}"

    # --- columns and fields ---------------------------------------------------------------------

    def related_rows(self, row: ReportCase) -> dict[str, Any]:
        """The reports of the case, newest first."""
        newest = row.reports.select_related("reporter").order_by("-created_at", "-id")[:REPORTS_SHOWN]
        rows = [
            [
                written(report.created_at),
                linked(report.reporter, report.reporter.username),
                name_of(report.reason),
                report.comment or "–",
            ]
            for report in newest
        ]
        title = _("Reports, newest first (%(shown)d of %(count)d)") % {"shown": len(rows), "count": row.report_count}
        headers = [_("time"), _("reporter"), _("reason"), _("comment")]
        return {"title": title, "table": {"headers": headers, "rows": rows}}

    @display(description=_("stream"), header=True)
    def reported(self, case: ReportCase) -> list[str]:
        return [case.stream.title, case.stream.creator.username]

    @display(
        description=_("state"),
        ordering="state",
        label={State.OPEN: "warning", State.ACTED_ON: "success", State.DISMISSED: "info"},
    )
    def state_label(self, case: ReportCase) -> tuple[str, str]:
        return case.state, case.get_state_display()

    @display(description=_("reasons"))
    def why(self, case: ReportCase) -> str:
        return reasons_of(case)

    @display(description=_("decided"), ordering="decided_at", header=True)
    def decided(self, case: ReportCase) -> list[str]:
        if case.decided_by is None or case.decided_at is None:
            return ["–", ""]
        return [written(case.decided_at), case.decided_by.username]

    @display(description=_("creator"))
    def creator(self, case: ReportCase) -> str:
        return linked(case.stream.creator, case.stream.creator.username)

    @display(description=_("about this stream"))
    def elsewhere(self, case: ReportCase) -> str:
        lists = {"livestreamban": _("Bans"), "reportcase": _("Cases")}
        query = f"?stream__id__exact={case.stream_id}"
        links = [(link(reverse(f"admin:bans_{model}_changelist") + query, str(name)),) for model, name in lists.items()]
        return format_html_join(" · ", "{}", links)


def reasons_of(case: ReportCase) -> str:
    """The reasons with their numbers of reports, most frequent first."""
    counted = sorted(case.reasons.items(), key=lambda each: (-each[1], each[0]))
    return ", ".join(f"{name_of(reason)} ({count})" for reason, count in counted)
