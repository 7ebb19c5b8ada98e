"""Streams in the admin: search, filters, details, and admin actions that call the services."""

from typing import Any

from django.contrib import admin
from django.core.files.storage import default_storage
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import display

from accounts.models import User
from common.admin import (
    ActionAdmin,
    Found,
    MomentRangeFilter,
    SearchedColumn,
    SoftDeleteAdmin,
    WordSearch,
)
from common.admin.counting import BoundedPaginator, IndexedPaginator
from common.times import written
from livestreams.admin import card  # noqa: F401 - registers the card and the trail
from livestreams.admin.actions import CANCEL, DELETE, END, RESTORE
from livestreams.admin.board import (
    EVERY,
    OnBoardFilter,
    PlannedStartFilter,
    StateFilter,
    StatusFilter,
    state_in,
    tabs,
)
from livestreams.admin.words import STATE_COLOURS, described_stream, how_long, shown_state, state_in_words
from livestreams.models import LiveStream


@admin.register(LiveStream)
class LiveStreamAdmin(ActionAdmin, SoftDeleteAdmin):
    admin_actions = (END, CANCEL, DELETE, RESTORE)
    list_display = ("stream", "state", "since", "kind", "planned")
    added_columns_after = "since"
    list_select_related = ("creator", "guest")
    autocomplete_related = ("creator",)
    list_before_template = "admin/list_tabs.html"
    list_filter = (
        StateFilter,
        ("status", StatusFilter),
        ("type", ChoicesDropdownFilter),
        OnBoardFilter,
        ("planned_start_at", PlannedStartFilter),
        ("created_at", MomentRangeFilter),
    )
    ordering = EVERY
    search_fields = ("title",)
    search_help_text = gettext_lazy("Words of the title and of the creator's names, channel name, or id")
    word_search = WordSearch(
        SearchedColumn(LiveStream.all_objects.all, "title_folded"),
        SearchedColumn(User.objects.all, "names_folded", "creator"),
    )
    id_fields = ("pk", "creator_id", "guest_id")
    readonly_fields = ("state_in_words",)
    fieldsets = (
        (
            gettext_lazy("Details"),
            {
                "classes": ("collapse",),
                "fields": (
                    "id",
                    "state_in_words",
                    "creator",
                    "guest",
                    "guest_status",
                    "type",
                    "price",
                    "interest",
                    "motivation",
                    "duration_goal",
                    "planned_start_at",
                    "started_at",
                    "ended_at",
                    "created_at",
                    "updated_at",
                    "deleted_at",
                    "deleted_by",
                    "channel_name",
                    "picture",
                ),
            },
        ),
    )

    def search(self, queryset: QuerySet[Any], text: str) -> QuerySet[Any] | Found:
        """The only stream with this channel name, else by the words of titles and of creators' names."""
        channel = LiveStream.all_objects.filter(channel_name=text.lower()).values_list("pk", flat=True).first()
        return super().search(queryset, text) if channel is None else queryset.filter(pk=channel)

    def get_ordering(self, request: HttpRequest) -> Any:
        state = state_in(request)
        return EVERY if state is None else state.order

    def get_paginator(self, request: HttpRequest, queryset: Any, per_page: int, *args: Any, **more: Any) -> Any:
        """No index has the type, so streams of a type are counted in the order in which the table has them."""
        kind = BoundedPaginator if request.GET.get("type__exact") else IndexedPaginator
        return kind(queryset, per_page, *args, **more)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        context = {"tabs": tabs(request), "tabs_label": _("Streams by state")}
        return super().changelist_view(request, context | (extra_context or {}))

    def autocomplete_text(self, row: LiveStream) -> str:
        return f"{row.title} · {described_stream(row)}"

    def describe(self, row: LiveStream) -> str:
        return described_stream(row)

    @display(description=gettext_lazy("stream"), ordering="title_folded", header=True)
    def stream(self, stream: LiveStream) -> list[str]:
        people = [stream.creator.username, *([stream.guest.username] if stream.guest else [])]
        return [format_html('<span class="block max-w-xs truncate">{}</span>', stream.title), ", ".join(people)]

    @display(description=gettext_lazy("status"), ordering="status", label=STATE_COLOURS)
    def state(self, stream: LiveStream) -> tuple[str, str]:
        return "deleted" if stream.is_deleted else stream.status, shown_state(stream)

    @display(description=gettext_lazy("status"))
    def state_in_words(self, stream: LiveStream) -> str:
        return state_in_words(stream)

    @display(description=gettext_lazy("time"))
    def since(self, stream: LiveStream) -> str:
        return how_long(stream, timezone.now())

    @display(description=gettext_lazy("planned start"), ordering="planned_start_at")
    def planned(self, stream: LiveStream) -> str:
        return written(stream.planned_start_at) if stream.planned_start_at else "–"

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
