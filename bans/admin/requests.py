"""Bulk calls that wait for a second moderator: the list, and the page on which they are approved or rejected."""

from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy, pgettext
from unfold.contrib.filters.admin import AutocompleteSelectFilter, ChoicesDropdownFilter
from unfold.decorators import display
from unfold.enums import ActionVariant

from accounts.models import User
from bans.admin.moderation import ModerationAdmin
from bans.models import BulkRequest, LiveStreamBan
from bans.services import approve_request, refuse_approval, refuse_rejection, reject_request
from common.admin import AdminAction, linked
from common.texts import folded
from common.times import written

Action, State = BulkRequest.Action, BulkRequest.State
PEOPLE_SHOWN = 100

APPROVE = AdminAction(
    name="approve_request",
    service=approve_request,
    rule=refuse_approval,
    label=_("Approve and do it"),
    done=ngettext_lazy("%(count)d request was approved.", "%(count)d requests were approved.", "count"),
    icon="group_add",
    variant=ActionVariant.PRIMARY,
)
REJECT = AdminAction(
    name="reject_request",
    service=reject_request,
    rule=refuse_rejection,
    label=_("Reject"),
    done=ngettext_lazy("%(count)d request was rejected.", "%(count)d requests were rejected.", "count"),
    icon="cancel",
    variant=ActionVariant.WARNING,
)


@admin.register(BulkRequest)
class BulkRequestAdmin(ModerationAdmin):
    admin_actions = (APPROVE, REJECT)
    column_names = {"batch_id": _("batch")}
    list_display = ("what", "on_stream", "people", "who", "state_label", "created_at", "expires_at")
    list_display_links = ("what",)
    list_select_related = ("requested_by", "decided_by")
    list_filter = (
        ("state", ChoicesDropdownFilter),
        ("stream", AutocompleteSelectFilter),
        ("requested_by", AutocompleteSelectFilter),
    )
    ordering = ("-created_at", "-id")
    search_fields = ("stream__title",)
    search_help_text = _("Title of the stream, or id of a request, a stream or a batch")
    id_fields = ("pk", "stream_id", "batch_id")
    readonly_fields = ("what", "state_in_words", "why")
    fieldsets = (
        (None, {"fields": ("what", "stream", "people", "why", "requested_by", "created_at", "expires_at")}),
        (_("Decision"), {"fields": ("state_in_words", "decided_by", "decided_at")}),
        (_("Details"), {"classes": ("collapse",), "fields": ("id", "batch_id", "updated_at")}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Streams are prefetched, also deleted ones."""
        return super().get_queryset(request).select_related(*self.list_select_related).prefetch_related("stream")

    def search(self, queryset: QuerySet[Any], text: str) -> QuerySet[Any]:
        part = folded(text)
        return queryset.filter(stream__title_folded__contains=part) if part else queryset.none()

    def describe(self, row: BulkRequest) -> str:
        by = row.requested_by.username if row.requested_by else "–"
        return f"{row.get_action_display()} · {row.stream} · {row.people} · {by}"

    # --- columns and fields ---------------------------------------------------------------------

    def related_rows(self, row: BulkRequest) -> dict[str, Any]:
        """The people whom the request names, or those of its batch."""
        if row.action == Action.BAN:
            named = [ban["target"] for ban in row.payload["bans"]]
        else:
            bans = LiveStreamBan.all_objects.filter(batch_id=row.batch_id).order_by("pk")
            named = list(bans.values_list("target_id", flat=True))
        shown = named[:PEOPLE_SHOWN]
        ids, keys = [pk for name in shown if (pk := User.id_in(name))], [User.key_of(name) for name in shown]
        found = User.objects.filter(Q(pk__in=ids) | Q(username_key__in=keys))
        people = {key: user for user in found for key in (user.pk, user.username_key)}
        rows = [
            [linked(person, person.username), person.get_full_name(), written(person.created_at)]
            if (person := people.get(User.id_in(name) or User.key_of(name)))
            else [name, "–", "–"]
            for name in shown
        ]
        title = _("People (%(shown)d of %(count)d)") % {"shown": len(rows), "count": len(named)}
        return {"title": title, "table": {"headers": [_("username"), _("name"), _("registered")], "rows": rows}}

    @display(description=_("what"), ordering="action")
    def what(self, row: BulkRequest) -> str:
        return str(row.get_action_display())

    @display(description=_("stream"))
    def on_stream(self, row: BulkRequest) -> str:
        return linked(row.stream, row.stream.title)

    @display(description=_("requested by"))
    def who(self, row: BulkRequest) -> str:
        return row.requested_by.username if row.requested_by else "–"

    @display(description=_("reason"))
    def why(self, row: BulkRequest) -> str:
        if row.action == Action.BAN:
            return ", ".join(dict.fromkeys(ban["reason"] or "–" for ban in row.payload["bans"]))
        return row.payload.get("reason") or "–"

    @display(
        description=_("state"),
        ordering="state",
        label={State.PENDING: "warning", State.APPROVED: "success", State.REJECTED: "danger", "expired": "info"},
    )
    def state_label(self, row: BulkRequest) -> tuple[str, str]:
        if row.has_expired(timezone.now()):
            return "expired", pgettext("bulk request", "expired")
        return row.state, row.get_state_display()

    @display(description=_("state"))
    def state_in_words(self, row: BulkRequest) -> str:
        return self.state_label(row)[1]
