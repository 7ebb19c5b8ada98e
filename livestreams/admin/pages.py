"""Streams in the admin: search, filters, details, and admin actions that call the services."""

from datetime import datetime, timedelta
from typing import Any

from django.contrib import admin
from django.core.files.storage import default_storage
from django.db.models import Q, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext, pgettext, pgettext_lazy
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import display

from accounts.models import User
from common.admin import ActionAdmin, DeletedFilter, MomentRangeFilter, SoftDeleteAdmin
from common.admin.audit_trail import written
from common.models import AuditEntry
from common.texts import folded
from livestreams.admin.actions import CANCEL, DELETE, END, RESTORE
from livestreams.admin.board import EVERY, StateFilter, state_in, tabs
from livestreams.models import LiveStream, Status

STATE_COLOURS: dict[str, str] = {
    Status.SCHEDULED: "info",
    Status.PREPARING: "warning",
    Status.ACTIVE: "success",
    Status.CANCELLED_BY_HOST: "danger",
    Status.CANCELLED_BY_GUEST: "danger",
    "deleted": "danger",
}


def how_long(stream: LiveStream, now: datetime) -> str:
    """How long the stream is live, in which time it starts, or how long it lasted: what matters in its state."""
    match stream.status:
        case Status.ACTIVE if stream.started_at:
            return _("live for %(minutes)s") % {"minutes": _minutes(now - stream.started_at)}
        case Status.ENDED if stream.started_at and stream.ended_at:
            return _("lasted %(minutes)s") % {"minutes": _minutes(stream.ended_at - stream.started_at)}
        case Status.SCHEDULED if stream.planned_start_at and stream.planned_start_at > now:
            return _("starts in %(minutes)s") % {"minutes": _minutes(stream.planned_start_at - now)}
        case Status.SCHEDULED if stream.planned_start_at:
            return _("late by %(minutes)s") % {"minutes": _minutes(now - stream.planned_start_at)}
    return _("made %(minutes)s ago") % {"minutes": _minutes(now - stream.created_at)}


def _minutes(time: timedelta) -> str:
    """Up to two hours in minutes, then in hours, then in days."""
    minutes = max(0, int(time.total_seconds() // 60))
    if minutes < 120:
        return ngettext("%(count)d minute", "%(count)d minutes", minutes) % {"count": minutes}
    hours = minutes // 60
    if hours < 48:
        return ngettext("%(count)d hour", "%(count)d hours", hours) % {"count": hours}
    return ngettext("%(count)d day", "%(count)d days", hours // 24) % {"count": hours // 24}


@admin.register(LiveStream)
class LiveStreamAdmin(ActionAdmin, SoftDeleteAdmin):
    admin_actions = (END, CANCEL, DELETE, RESTORE)
    list_display = ("stream", "state", "since", "creator", "guest", "kind", "planned_start_at", "created_at")
    added_columns_after = "since"
    list_select_related = ("creator", "guest")
    list_before_template = "admin/list_tabs.html"
    list_filter = (
        StateFilter,
        ("status", ChoicesDropdownFilter),
        ("type", ChoicesDropdownFilter),
        DeletedFilter,
        ("planned_start_at", MomentRangeFilter),
        ("created_at", MomentRangeFilter),
    )
    ordering = EVERY
    search_fields = ("title",)
    search_help_text = gettext_lazy("Title, id, channel name or username of the creator")
    id_fields = ("pk", "creator_id", "guest_id")
    readonly_fields = ("state_in_words",)
    fieldsets = (
        (
            None,
            {
                "fields": (
                    "state_in_words",
                    "creator",
                    "guest",
                    "guest_status",
                    "planned_start_at",
                    "deleted_at",
                    "deleted_by",
                )
            },
        ),
        (
            gettext_lazy("Times"),
            {"classes": ("tab",), "fields": ("duration_goal", "started_at", "ended_at", "created_at", "updated_at")},
        ),
        (
            gettext_lazy("Details"),
            {
                "classes": ("tab",),
                "fields": ("id", "channel_name", "type", "price", "interest", "motivation", "picture"),
            },
        ),
    )

    def search(self, queryset: QuerySet[Any], text: str) -> QuerySet[Any]:
        part = folded(text)
        if not part:
            return queryset.none()
        words = Q(*(Q(title_folded__contains=word) for word in part.split()))
        # Asked for once, so that an index finds the streams of each alternative. A join would read all streams.
        creator = User.objects.filter(username_key=User.key_of(text)).values("pk")[:1]
        return queryset.filter(words | Q(channel_name=text.lower()) | Q(creator=Subquery(creator)))

    def get_ordering(self, request: HttpRequest) -> Any:
        state = state_in(request)
        return EVERY if state is None else state.order

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        context = {"tabs": tabs(request), "tabs_label": _("Streams by state")}
        return super().changelist_view(request, context | (extra_context or {}))

    def describe(self, row: LiveStream) -> str:
        """Host, date and state: enough to tell apart streams with the same title."""
        begins_at = row.started_at or row.planned_start_at or row.created_at
        state = pgettext("state", "deleted") if row.is_deleted else row.get_status_display()
        return f"{row.creator} · {written(begins_at)} · {state}"

    @display(description=gettext_lazy("stream"), ordering="title_folded", header=True)
    def stream(self, stream: LiveStream) -> list[str]:
        return [stream.title, stream.channel_name]

    @display(description=gettext_lazy("status"), ordering="status", label=STATE_COLOURS)
    def state(self, stream: LiveStream) -> Any:
        shown = (stream.status, stream.get_status_display())
        return ("deleted", pgettext_lazy("state", "deleted")) if stream.is_deleted else shown

    @display(description=gettext_lazy("status"))
    def state_in_words(self, stream: LiveStream) -> str:
        """The status; of a cancelled stream with the name of the actor, whom the API does not name."""
        status: str = stream.get_status_display()
        if stream.status not in {Status.CANCELLED_BY_HOST, Status.CANCELLED_BY_GUEST}:
            return status
        cancelled = AuditEntry.objects.filter(target_type="livestream", target_id=stream.pk, action="cancel_stream")
        entry = cancelled.order_by("-id").first()
        if entry is None:
            return status
        if entry.actor_id in {stream.creator_id, stream.guest_id}:
            return f"{status} ({entry.actor_name})"
        if entry.actor_id is None:
            return _("cancelled by the system")
        return _("cancelled by moderator %(name)s") % {"name": entry.actor_name}

    @display(description=gettext_lazy("time"))
    def since(self, stream: LiveStream) -> str:
        return how_long(stream, timezone.now())

    @display(description=gettext_lazy("type"), ordering="type")
    def kind(self, stream: LiveStream) -> str:
        return stream.get_type_display()

    @display(description=gettext_lazy("picture"))
    def picture(self, stream: LiveStream) -> str:
        if not stream.thumbnail:
            return "–"
        return format_html(
            '<img src="{}" alt="" class="max-w-xs rounded-default">', default_storage.url(stream.thumbnail)
        )
