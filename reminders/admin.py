"""Admin pages of reminders, rounds, chunks and deliveries. Deliveries that failed can be sent again."""

from datetime import datetime
from typing import Any

from django.contrib import admin
from django.db.models import Count, OuterRef, Q, QuerySet, Subquery, Sum
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy, pgettext_lazy
from procrastinate.contrib.django import admin as _job_admin  # noqa: F401 - registers the model
from procrastinate.contrib.django.models import ProcrastinateJob
from unfold.contrib.filters.admin import (
    AutocompleteSelectFilter,
    ChoicesDropdownFilter,
    DropdownFilter,
)
from unfold.decorators import display
from unfold.enums import ActionVariant

from accounts.models import User
from common.admin import (
    ActionAdmin,
    AdminAction,
    MomentRangeFilter,
    ReadOnlyAdmin,
    RowFilter,
    SearchedColumn,
    WordSearch,
    link,
    linked,
)
from reminders.models import Chunk, Delivery, Reminder, Round, scheduled_for, state_of
from reminders.services import refuse_send_again, send_again
from reminders.services.channels import channel_names

# Users who may view the page of Procrastinate may also retry, cancel and abort jobs there, without a reason and without
# an audit row. The work of the jobs is shown here (open rounds, waiting chunks, pending deliveries), and
# `dispatch_reminders` does it without jobs.
admin.site.unregister(ProcrastinateJob)


def _may_be_sent_again(delivery: Delivery, /, *, by: Any, now: datetime) -> None:
    refuse_send_again(delivery)


SEND_AGAIN = AdminAction(
    name="send_again",
    service=send_again,
    rule=_may_be_sent_again,
    label=_("Send again"),
    done=ngettext_lazy("%(count)d delivery is sent again.", "%(count)d deliveries are sent again.", "count"),
    icon="replay",
    variant=ActionVariant.PRIMARY,
)

STATE_COLOURS: dict[str, str] = {
    Reminder.State.ARMED_ON_START: "info",
    Reminder.State.SCHEDULED: "info",
    Reminder.State.SENT: "success",
    Reminder.State.MISSED: "warning",
    Reminder.State.CANCELLED: "default",  # without a colour, Unfold shows the untranslated value
    Round.State.OPEN: "info",
    Round.State.CUT: "success",
    Round.State.MISSED: "warning",
    Round.State.VOID: "default",
    Chunk.State.WAITING: "info",
    Chunk.State.NOTIFIED: "success",
    Delivery.State.PENDING: "info",
    Delivery.State.DELIVERED: "success",
    Delivery.State.FAILED: "danger",
    Delivery.State.STOPPED: "danger",
    Delivery.State.VOID: "default",
}


# --- reminders -------------------------------------------------------------------------------------


@admin.register(Reminder)
class ReminderAdmin(ReadOnlyAdmin):
    list_display = ("person", "on_stream", "state", "lead", "due", "created_at")
    list_display_links = ("person",)
    list_filter = (
        ("stream", RowFilter),
        ("user", AutocompleteSelectFilter),
        ("created_at", MomentRangeFilter),
    )
    ordering = ("-id",)  # ids increase with time, and the primary key has an index
    sortable_by = ()  # sorting a million rows for one page is too slow
    search_fields = ("user__username",)
    search_help_text = _("Username or name, or id of a reminder, a person or a stream")
    id_fields = ("pk", "user_id", "stream_id")
    word_search = WordSearch(SearchedColumn(User.objects.all, "names_folded", "user"))
    fieldsets = (
        (None, {"fields": ("user", "stream", "state_in_words", "minute", "due", "language")}),
        (_("Details"), {"classes": ("collapse",), "fields": ("id", "created_at", "updated_at")}),
    )
    readonly_fields = ("state_in_words", "due")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).with_outcome(timezone.now()).select_related("user", "stream")

    @display(description=_("user"), header=True)
    def person(self, reminder: Reminder) -> list[str]:
        return [reminder.user.username, reminder.user.get_full_name()]

    @display(description=_("stream"))
    def on_stream(self, reminder: Reminder) -> str:
        return linked(reminder.stream, reminder.stream.title)

    @display(description=_("state"), label=STATE_COLOURS)
    def state(self, reminder: Reminder) -> tuple[str, Any]:
        state = _state_of(reminder)
        return state, state.label

    @display(description=_("state"))
    def state_in_words(self, reminder: Reminder) -> str:
        return str(_state_of(reminder).label)

    @display(description=_("minutes before the start"))
    def lead(self, reminder: Reminder) -> str:
        return str(reminder.minute or "–")

    @display(description=_("due"))
    def due(self, reminder: Reminder) -> Any:
        return scheduled_for(reminder.minute, reminder.stream.planned_start_at) or "–"


def _state_of(reminder: Any) -> Reminder.State:
    stream = reminder.stream
    return state_of(
        reminder.minute,
        "" if stream.is_deleted else stream.status,  # reminders on a deleted stream are void
        stream.planned_start_at,
        stream.plan_set_at,
        stream.started_at,
        reminder.is_notified,
        reminder.is_blocked,
        timezone.now(),
    )


# --- notifying -------------------------------------------------------------------------------------


@admin.register(Round)
class RoundAdmin(ReadOnlyAdmin):
    list_display = (
        "on_stream",
        "what",
        "minute",
        "planned_start_at",
        "due_at",
        "status",
        "reminders",
        "notified",
        "progress",
    )
    list_display_links = ("what",)
    list_filter = (
        ("state", ChoicesDropdownFilter),
        ("kind", ChoicesDropdownFilter),
        ("stream", RowFilter),
        ("due_at", MomentRangeFilter),
    )
    ordering = ("-opened_at", "-id")
    sortable_by = ()
    search_fields = ("stream__title",)
    search_help_text = _("Id of a round or a stream")
    id_fields = ("pk", "stream_id")
    fieldsets = (
        (
            None,
            {"fields": ("stream", "kind", "minute", "planned_start_at", "state", "reminders", "notified", "progress")},
        ),
        (_("Times"), {"fields": ("due_at", "good_until", "opened_at", "closed_at")}),
    )
    readonly_fields = ("notified", "progress")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Sums over the chunks as subqueries, so that they are computed only for the rounds on the page."""
        chunks = Chunk.objects.filter(round=OuterRef("pk")).order_by().values("round")
        counts = {
            "people_notified": Sum("notified"),
            "chunks_done": Count("pk", filter=~Q(state=Chunk.State.WAITING)),
            "chunks_made": Count("pk"),
        }
        sums = {name: Subquery(chunks.annotate(n=count).values("n")) for name, count in counts.items()}
        return super().get_queryset(request).select_related("stream").annotate(**sums)

    @display(description=_("stream"))
    def on_stream(self, round_: Round) -> str:
        return linked(round_.stream, round_.stream.title)

    @display(description=_("kind"))
    def what(self, round_: Round) -> str:
        return round_.get_kind_display()

    @display(description=_("state"), label=STATE_COLOURS)
    def status(self, round_: Round) -> tuple[str, str]:
        return round_.state, round_.get_state_display()

    @display(description=pgettext_lazy("people", "notified"))
    def notified(self, round_: Any) -> int:
        return round_.people_notified or 0

    @display(description=_("chunks"))
    def progress(self, round_: Any) -> str:
        """Done and total number of chunks, as a link to them."""
        if not round_.chunks_made:
            return "–"
        address = f"{reverse('admin:reminders_chunk_changelist')}?round__id__exact={round_.pk}"
        return link(address, f"{round_.chunks_done} / {round_.chunks_made}")


@admin.register(Chunk)
class ChunkAdmin(ReadOnlyAdmin):
    list_display = ("on_stream", "of_round", "number", "due_at", "status", "notified", "missed", "closed_at")
    list_display_links = ("number",)
    list_filter = (
        ("state", ChoicesDropdownFilter),
        ("round", AutocompleteSelectFilter),
        ("due_at", MomentRangeFilter),
    )
    list_select_related = ("round__stream",)
    ordering = ("-id",)
    sortable_by = ()
    search_fields = ("round__id",)
    search_help_text = _("Id of a chunk, a round or a stream")
    id_fields = ("pk", "round_id", "round__stream_id")
    fieldsets = (
        (None, {"fields": ("round", "number", "state", "notified", "missed")}),
        (_("People"), {"fields": ("after_user", "up_to_user")}),
        (_("Times"), {"fields": ("due_at", "closed_at")}),
    )

    column_names = {"after_user": _("after the user with this id"), "up_to_user": _("up to the user with this id")}

    @display(description=_("stream"))
    def on_stream(self, chunk: Chunk) -> str:
        return linked(chunk.round.stream, chunk.round.stream.title)

    @display(description=_("round"))
    def of_round(self, chunk: Chunk) -> str:
        return linked(chunk.round, chunk.round.get_kind_display())

    @display(description=_("state"), label=STATE_COLOURS)
    def status(self, chunk: Chunk) -> tuple[str, str]:
        return chunk.state, chunk.get_state_display()


class ChannelFilter(DropdownFilter):
    title = _("channel")
    parameter_name = "channel"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(name, name) for name in channel_names()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(channel=self.value()) if self.value() else queryset


@admin.register(Delivery)
class DeliveryAdmin(ActionAdmin):
    admin_actions = (SEND_AGAIN,)
    list_display = (
        "on_stream", "way", "status", "recipients", "attempts", "error", "attempted_at", "next_attempt_at"
    )  # fmt: skip
    list_display_links = ("way",)
    list_filter = (("state", ChoicesDropdownFilter), ChannelFilter, ("created_at", MomentRangeFilter))
    ordering = ("-id",)
    sortable_by = ()
    search_fields = ("last_error",)
    search_help_text = _("Words of the last error, or id of a delivery, a chunk, a round or a stream")
    id_fields = ("pk", "chunk_id", "chunk__round_id", "chunk__round__stream_id")
    fieldsets = (
        (None, {"fields": ("chunk", "channel", "state", "recipients", "attempts", "last_error")}),
        (_("Times"), {"fields": ("created_at", "attempted_at", "next_attempt_at", "closed_at")}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).select_related("chunk__round__stream")

    def search(self, queryset: QuerySet[Any], text: str) -> QuerySet[Any]:
        return queryset.exclude(last_error="").filter(last_error__icontains=text)

    def version_of(self, row: Delivery) -> str:
        return f"{row.state} {row.attempts}"

    def describe(self, row: Delivery) -> str:
        stream = row.chunk.round.stream
        return f"{stream.title} · {row.get_state_display()} · {row.last_error or row.pk}"

    @display(description=_("stream"))
    def on_stream(self, delivery: Delivery) -> str:
        return linked(delivery.chunk.round.stream, delivery.chunk.round.stream.title)

    @display(description=_("channel"))
    def way(self, delivery: Delivery) -> str:
        return delivery.channel

    @display(description=_("state"), label=STATE_COLOURS)
    def status(self, delivery: Delivery) -> tuple[str, str]:
        return delivery.state, delivery.get_state_display()

    @display(description=_("last error"))
    def error(self, delivery: Delivery) -> str:
        return format_html('<span class="block max-w-xs truncate">{}</span>', delivery.last_error or "–")
