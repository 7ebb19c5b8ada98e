"""Streams in the admin: search, filters, details, and admin actions that call the services."""

from typing import Any

from django.contrib import admin
from django.core.files.storage import default_storage
from django.db.models import Q, QuerySet
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy, pgettext_lazy
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import display
from unfold.enums import ActionVariant

from accounts.models import User
from common.admin import ActionAdmin, AdminAction, DeletedFilter, MomentRangeFilter, SoftDeleteAdmin
from common.models import AuditEntry
from common.texts import folded
from livestreams import services
from livestreams.models import LiveStream, Status

END = AdminAction(
    name="end_stream",
    service=services.end_stream,
    rule=services.allow_end,
    label=_("End"),
    done=ngettext_lazy("%(count)d stream was ended.", "%(count)d streams were ended.", "count"),
    icon="stop_circle",
    variant=ActionVariant.WARNING,
)
CANCEL = AdminAction(
    name="cancel_stream",
    service=services.cancel_stream,
    rule=services.allow_cancel,
    label=_("Cancel"),
    done=ngettext_lazy("%(count)d stream was cancelled.", "%(count)d streams were cancelled.", "count"),
    icon="event_busy",
    variant=ActionVariant.WARNING,
)
DELETE = AdminAction(
    name="delete_stream",
    service=services.delete_stream,
    rule=services.allow_delete,
    label=_("Delete"),
    done=ngettext_lazy("%(count)d stream was deleted.", "%(count)d streams were deleted.", "count"),
    icon="delete",
    variant=ActionVariant.DANGER,
)
RESTORE = AdminAction(
    name="restore_stream",
    service=services.restore_stream,
    rule=services.allow_restore,
    label=_("Restore"),
    done=ngettext_lazy("%(count)d stream was restored.", "%(count)d streams were restored.", "count"),
    icon="restore_from_trash",
    variant=ActionVariant.PRIMARY,
)

STATE_COLOURS: dict[str, str] = {
    Status.SCHEDULED: "info",
    Status.PREPARING: "warning",
    Status.ACTIVE: "success",
    Status.CANCELLED_BY_HOST: "danger",
    Status.CANCELLED_BY_GUEST: "danger",
    # Without a colour, Unfold shows the untranslated value.
    Status.ENDED: "default",
    Status.EXPIRED: "default",
    "deleted": "danger",
}


@admin.register(LiveStream)
class LiveStreamAdmin(ActionAdmin, SoftDeleteAdmin):
    admin_actions = (END, CANCEL, DELETE, RESTORE)
    list_display = ("stream", "state", "kind", "creator", "guest", "planned_start_at", "created_at")
    list_select_related = ("creator", "guest")
    list_filter = (
        ("status", ChoicesDropdownFilter),
        ("type", ChoicesDropdownFilter),
        DeletedFilter,
        ("planned_start_at", MomentRangeFilter),
        ("created_at", MomentRangeFilter),
    )
    ordering = ("-created_at", "-id")
    search_fields = ("title",)
    search_help_text = _("Title, id, channel name or username of the creator")
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
            _("Times"),
            {"classes": ("tab",), "fields": ("duration_goal", "started_at", "ended_at", "created_at", "updated_at")},
        ),
        (
            _("Details"),
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
        return queryset.filter(
            Q(title_folded__contains=part) | Q(channel_name=text.lower()) | Q(creator__username_key=User.key_of(text))
        )

    def describe(self, row: LiveStream) -> str:
        return f"{row.get_status_display()} · {row.creator} · {row.channel_name}"

    @display(description=_("stream"), ordering="title_folded", header=True)
    def stream(self, stream: LiveStream) -> list[str]:
        return [stream.title, stream.channel_name]

    @display(description=_("status"), ordering="status", label=STATE_COLOURS)
    def state(self, stream: LiveStream) -> Any:
        shown = (stream.status, stream.get_status_display())
        return ("deleted", pgettext_lazy("state", "deleted")) if stream.is_deleted else shown

    @display(description=_("status"))
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
            return str(_("cancelled by the system"))
        return str(_("cancelled by moderator %(name)s") % {"name": entry.actor_name})

    @display(description=_("type"), ordering="type")
    def kind(self, stream: LiveStream) -> str:
        return stream.get_type_display()

    @display(description=_("picture"))
    def picture(self, stream: LiveStream) -> str:
        if not stream.thumbnail:
            return "–"
        return format_html(
            '<img src="{}" alt="" class="max-w-xs rounded-default">', default_storage.url(stream.thumbnail)
        )
