"""The list of bans and the page of a ban."""

from datetime import datetime
from typing import Any

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import AutocompleteSelectFilter, ChoicesDropdownFilter
from unfold.dataclasses import UnfoldAction
from unfold.decorators import action, display

from bans.admin.actions import (
    CHANGED,
    LIFT,
    OVERRULE,
    OVERRULED,
    OVERRULINGS,
    UPHOLD,
    USUAL_CHANGES,
    USUAL_NAMES,
    ChangeForm,
)
from bans.admin.changelist import BanChangeList, QueuePaginator, queues_in
from bans.admin.filters import AppealFilter, HoldingFilter, RaidFilter, WaitingFilter
from bans.admin.moderation import ModerationAdmin
from bans.admin.search import BAN_SEARCH
from bans.admin.words import holding_words
from bans.models import Appeal, LiveStreamBan
from bans.services import overrule_review, refuse_overruling, refuse_review, review_ban, version_of_ban
from common.admin import AdminAction, MomentRangeFilter, RowFilter, SoftDeleteAdmin, linked, page_of
from common.admin.actions import Rule, versions_sent
from common.refusals import Refusal
from common.times import written

ActionType = LiveStreamBan.ActionType
Review = LiveStreamBan.Review

EARLIER_BANS_SHOWN = 20


def _changeable(ban: LiveStreamBan, /, *, by: Any, now: datetime) -> None:
    refuse_review(ban, by=by, now=now, verdict=Review.CHANGED)


def _overrulable(ban: LiveStreamBan, /, *, by: Any, now: datetime) -> None:
    refuse_overruling(ban, by=by, now=now, verdict=Review.CHANGED)


CHANGES: dict[str, Rule] = {"change_ban": _changeable, "overrule_change": _overrulable}


def _action_of(form: ChangeForm, *, overruling: bool, seen: str | None) -> AdminAction:
    """The admin action that makes the changes of a valid form."""

    def change(ban_id: str, /, *, by: Any, now: datetime, reason: str) -> object:
        service = overrule_review if overruling else review_ban
        return service(
            ban_id,
            by=by,
            now=now,
            verdict=Review.CHANGED,
            reason=reason,
            changes=form.changes,
            decision=form.decision,
            seen=seen,
        )

    return AdminAction(
        name="overrule_change" if overruling else "change_ban",
        service=change,
        rule=_overrulable if overruling else _changeable,
        label=_("Overrule: change") if overruling else _("Change"),
        done=OVERRULED if overruling else CHANGED,
        icon="edit",
    )


@admin.register(LiveStreamBan)
class BanAdmin(ModerationAdmin, SoftDeleteAdmin):
    admin_actions = (UPHOLD, LIFT, *OVERRULINGS, *USUAL_CHANGES)
    actions_detail = ("change_ban", "overrule_change")
    list_display = ("person", "on_stream", "kind", "why", "ends", "verdict", "objection", "created_at")
    list_display_links = ("person",)
    list_select_related = ("reviewed_by", "appeal")
    list_filter = (
        WaitingFilter,
        ("stream__creator", AutocompleteSelectFilter),
        ("stream", RowFilter),
        RaidFilter,
        ("action_type", ChoicesDropdownFilter),
        ("review", ChoicesDropdownFilter),
        ("reviewed_by", AutocompleteSelectFilter),
        HoldingFilter,
        AppealFilter,
        ("created_at", MomentRangeFilter),
    )
    search_fields = ("target__username",)
    search_help_text = _("Words of the banned person's names and of the title, or id of a ban, a person or a stream")
    word_search = BAN_SEARCH
    id_fields = ("pk", "target_id", "stream_id")
    readonly_fields = ("end_in_words", "objection_state", "objection_text", "objection_at")
    column_names = {"batch_id": _("batch")}

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[BanChangeList]:
        return BanChangeList

    def get_paginator(self, request: HttpRequest, queryset: Any, per_page: int, *args: Any, **more: Any) -> Any:
        paginator = QueuePaginator(queryset, per_page, *args, **more)
        paginator.queues = queues_in(request)
        return paginator

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """People and streams are prefetched: a join would widen the rows that are sorted."""
        bans = super().get_queryset(request).select_related(*self.list_select_related)
        return bans.prefetch_related("target", "stream")

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        made = (
            None,
            {"fields": ("target", "stream", "action_type", "reason", "end_in_words", "created_by", "created_at")},
        )
        review = (_("Review"), {"fields": ("review", "reviewed_by", "reviewed_at", "verdict_message")})
        appeal = (_("Appeal"), {"fields": ("objection_state", "objection_text", "objection_at")})
        details = (
            _("Details"),
            {"classes": ("collapse",), "fields": ("id", "batch_id", "updated_at", "deleted_at", "deleted_by")},
        )
        return (made, *((appeal,) if obj and obj.appeal_or_none else ()), review, details)

    # --- actions --------------------------------------------------------------------------------

    def version_of(self, row: LiveStreamBan) -> str:
        return version_of_ban(row)

    def get_actions_detail(self, request: HttpRequest, object_id: str) -> list[UnfoldAction]:
        """On the page of a ban, the forms replace the usual changes."""
        ban = self.get_object(request, unquote(str(object_id)))
        hidden = set(USUAL_NAMES)
        if ban is not None:
            hidden |= {name for name, rule in CHANGES.items() if self._is_refused(request, rule, ban)}
        offered = super().get_actions_detail(request, object_id)
        return [one for one in offered if one.method.__name__ not in hidden]

    def _is_refused(self, request: HttpRequest, rule: Rule, ban: LiveStreamBan) -> bool:
        try:
            rule(ban, by=request.user, now=timezone.now())
        except Refusal:
            return True
        return False

    def describe(self, row: LiveStreamBan) -> str:
        ends = " ".join(holding_words(row, timezone.now()))
        return f"{row.target} · {row.stream} · {row.get_action_type_display()} · {ends}"

    @action(description=_("Change"), permissions=["admin_action"], icon="edit")
    def change_ban(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._change(request, object_id, overruling=False)

    @action(description=_("Overrule: change"), permissions=["admin_action"], icon="gavel")
    def overrule_change(self, request: HttpRequest, object_id: str) -> HttpResponse:
        if not request.user.has_perm(OVERRULE):
            raise PermissionDenied
        return self._change(request, object_id, overruling=True)

    def _change(self, request: HttpRequest, object_id: str, *, overruling: bool) -> HttpResponse:
        ban = self.get_object(request, unquote(object_id))
        if ban is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, unquote(object_id))
        form = ChangeForm(ban, request.POST if request.method == "POST" else None, overruling=overruling)
        change = _action_of(form, overruling=overruling, seen=versions_sent(request).get(ban.pk))
        # Check the version before validation: compared with a newer row, untouched fields would count as changed.
        stale = self.stale(request, ban) if form.is_bound else None
        if stale is not None or form.is_valid():
            self._perform(request, change, [ban], form.data.get("reason", ""))
            return HttpResponseRedirect(page_of(ban))
        return self.ask_for(request, change, [ban], form, back=page_of(ban))

    # --- columns and fields ---------------------------------------------------------------------

    def related_rows(self, row: LiveStreamBan) -> dict[str, Any] | None:
        """The earlier bans of the same person, newest first."""
        earlier = (
            LiveStreamBan.all_objects.filter(target=row.target_id, created_at__lte=row.created_at)
            .exclude(pk=row.pk)
            .select_related("stream", "created_by")
            .order_by("-created_at", "-id")[:EARLIER_BANS_SHOWN]
        )
        now = timezone.now()
        rows = [
            [
                linked(one, written(one.created_at)),
                one.stream.title,
                one.get_action_type_display(),
                one.reason or "–",
                " ".join(holding_words(one, now)),
                one.get_review_display(),
                one.created_by.username,
            ]
            for one in earlier
        ]
        headers = [_("time"), _("stream"), _("kind"), _("reason"), _("ends"), _("review"), _("by")]
        return (
            {"title": _("Earlier bans of this person"), "table": {"headers": headers, "rows": rows}} if rows else None
        )

    @display(description=_("banned person"), ordering="target__username", header=True)
    def person(self, ban: LiveStreamBan) -> list[str]:
        return [ban.target.username, ban.target.get_full_name()]

    @display(description=_("stream"), ordering="stream__title_folded")
    def on_stream(self, ban: LiveStreamBan) -> str:
        return linked(ban.stream, ban.stream.title)

    @display(
        description=_("kind"),
        ordering="action_type",
        label={ActionType.BLOCK: "danger", ActionType.CHAT_ONLY: "warning"},
    )
    def kind(self, ban: LiveStreamBan) -> tuple[str, str]:
        return ban.action_type, ban.get_action_type_display()

    @display(description=_("reason"))
    def why(self, ban: LiveStreamBan) -> str:
        return format_html('<span class="block max-w-xs truncate">{}</span>', ban.reason or "–")

    @display(description=_("ends"), ordering="expires_at", header=True)
    def ends(self, ban: LiveStreamBan) -> list[str]:
        return list(holding_words(ban, timezone.now()))

    @display(description=_("ends"))
    def end_in_words(self, ban: LiveStreamBan) -> str:
        return ", ".join(holding_words(ban, timezone.now()))

    @display(description=_("review"), ordering="review", header=True)
    def verdict(self, ban: LiveStreamBan) -> list[str]:
        return [ban.get_review_display(), ban.reviewed_by.username if ban.reviewed_by else ""]

    @display(
        description=_("appeal"),
        ordering="appeal__state",
        label={Appeal.State.PENDING: "warning", Appeal.State.APPROVED: "success", Appeal.State.DENIED: "danger"},
    )
    def objection(self, ban: LiveStreamBan) -> tuple[str, str] | str:
        appeal = ban.appeal_or_none
        return (appeal.state, appeal.get_state_display()) if appeal else "–"

    @display(description=_("appeal"))
    def objection_state(self, ban: LiveStreamBan) -> str:
        appeal = ban.appeal_or_none
        return str(appeal.get_state_display()) if appeal else "–"

    @display(description=_("text"))
    def objection_text(self, ban: LiveStreamBan) -> str:
        appeal = ban.appeal_or_none
        return appeal.text if appeal else "–"

    @display(description=_("time"))
    def objection_at(self, ban: LiveStreamBan) -> str:
        appeal = ban.appeal_or_none
        return written(appeal.created_at) if appeal else "–"
