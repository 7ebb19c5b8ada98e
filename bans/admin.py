"""Bans in the admin: those that wait for a review come first, and moderators uphold, change or lift them."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import Case, Q, QuerySet, When
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy, pgettext, pgettext_lazy
from unfold.contrib.filters.admin import AutocompleteSelectFilter, ChoicesDropdownFilter, DropdownFilter
from unfold.dataclasses import UnfoldAction
from unfold.decorators import action, display
from unfold.enums import ActionVariant
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from accounts.models import User
from bans.models import Appeal, LiveStreamBan
from bans.services import review_ban
from common.admin import Act, ActingAdmin, ReasonForm, Service, SoftDeleteAdmin, linked

ActionType = LiveStreamBan.ActionType
Review = LiveStreamBan.Review

EARLIER_BANS_SHOWN = 20
SOON = timedelta(hours=24)

# --- acts -----------------------------------------------------------------------------------------


def reviewing(name: str, verdict: Review, changes: Callable[[datetime], dict[str, Any]] = lambda now: {}) -> Service:
    def review(ban_id: str, /, *, by: Any, now: datetime, reason: str) -> object:
        return review_ban(ban_id, by=by, now=now, verdict=verdict, reason=reason, changes=changes(now))

    review.__name__ = name
    return review


CHANGED = ngettext_lazy("%(count)d ban was changed.", "%(count)d bans were changed.", "count")
UPHOLD = Act(
    service=reviewing("uphold_ban", Review.UPHELD),
    label=_("Uphold"),
    done=ngettext_lazy("%(count)d ban was upheld.", "%(count)d bans were upheld.", "count"),
    icon="verified",
    variant=ActionVariant.PRIMARY,
)
LIFT = Act(
    service=reviewing("lift_ban", Review.LIFTED),
    label=_("Lift"),
    done=ngettext_lazy("%(count)d ban was lifted.", "%(count)d bans were lifted.", "count"),
    icon="lock_open",
    variant=ActionVariant.WARNING,
)


def _change(name: str, label: Any, changes: Callable[[datetime], dict[str, Any]]) -> Act:
    return Act(service=reviewing(name, Review.CHANGED, changes), label=label, done=CHANGED, icon="edit")


# What many bans are changed to at once; one alone is changed on its page, with a form.
USUAL_CHANGES = (
    _change("block_watching", _("Change: may not watch"), lambda now: {"action_type": ActionType.BLOCK}),
    _change("block_writing", _("Change: may not write"), lambda now: {"action_type": ActionType.CHAT_ONLY}),
    _change("end_in_an_hour", _("Change: ends in 1 hour"), lambda now: {"expires_at": now + timedelta(hours=1)}),
    _change("end_in_a_day", _("Change: ends in 1 day"), lambda now: {"expires_at": now + timedelta(days=1)}),
    _change("end_in_a_week", _("Change: ends in 7 days"), lambda now: {"expires_at": now + timedelta(days=7)}),
    _change("hold_until_lifted", _("Change: holds until lifted"), lambda now: {"expires_at": None}),
)
USUAL_NAMES = {act.name for act in USUAL_CHANGES}


class ChangeForm(ReasonForm):
    action_type = forms.ChoiceField(label=_("Kind"), choices=ActionType.choices, widget=UnfoldAdminSelectWidget)
    expires_at = forms.DateTimeField(
        label=_("Ends"),
        required=False,
        widget=UnfoldAdminTextInputWidget(attrs={"type": "datetime-local", "step": 1}),
        help_text=_("In the time zone of the server. Empty: the ban holds until it is lifted."),
    )
    field_order = ("action_type", "expires_at", "reason")

    @property
    def changes(self) -> dict[str, Any]:
        return {name: self.cleaned_data[name] for name in ("action_type", "expires_at") if name in self.changed_data}


# --- finding --------------------------------------------------------------------------------------


def _waiting() -> Q:
    """Bans that ask for a moderator: nobody has looked at them yet, or the banned person objects."""
    return Q(review=Review.UNREVIEWED, deleted_at__isnull=True) | Q(appeal__state=Appeal.State.PENDING)


def waiting_badge(request: HttpRequest) -> str | None:
    """How many bans nobody has reviewed, for the sidebar of every page: it stops counting where it stops mattering."""
    unreviewed = LiveStreamBan.objects.filter(review=Review.UNREVIEWED).order_by()
    count = unreviewed[:100].count()
    return None if not count else str(count) if count < 100 else "99+"


class HoldingFilter(DropdownFilter):
    title = pgettext_lazy("ban", "holding")
    parameter_name = "holding"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [
            ("yes", pgettext_lazy("ban", "holds")),
            ("soon", _("holds, and ends within 24 hours")),
            ("ended", pgettext_lazy("ban", "has ended")),
            ("lifted", pgettext_lazy("ban", "was lifted")),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        now = timezone.now()
        match self.value():
            case "yes":
                return queryset.holding(now)  # type: ignore[attr-defined]
            case "soon":
                return queryset.holding(now).filter(expires_at__lte=now + SOON)  # type: ignore[attr-defined]
            case "ended":
                return queryset.filter(deleted_at__isnull=True, expires_at__lte=now)
            case "lifted":
                return queryset.filter(deleted_at__isnull=False)
        return queryset


class AppealFilter(DropdownFilter):
    title = _("appeal")
    parameter_name = "appeal"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("any", _("appealed")), *Appeal.State.choices]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        match self.value():
            case "any":
                return queryset.filter(appeal__isnull=False)
            case state if state in Appeal.State:
                return queryset.filter(appeal__state=state)
        return queryset


# --- the pages ------------------------------------------------------------------------------------


def _holding(ban: LiveStreamBan, now: datetime) -> tuple[str, str]:
    """Whether it holds, and since or until when."""
    if ban.deleted_at is not None:
        return pgettext("ban", "was lifted"), _moment(ban.deleted_at)
    if ban.expires_at is None:
        return pgettext("ban", "holds"), str(_("until it is lifted"))
    return pgettext("ban", "holds") if ban.holds(now) else pgettext("ban", "has ended"), _moment(ban.expires_at)


def _moment(moment: datetime) -> str:
    return timezone.localtime(moment).strftime("%Y-%m-%d %H:%M:%S")


def _appeal(ban: LiveStreamBan) -> Appeal | None:
    return getattr(ban, "appeal", None)


@admin.register(LiveStreamBan)
class BanAdmin(ActingAdmin, SoftDeleteAdmin):
    acts = (UPHOLD, LIFT, *USUAL_CHANGES)
    actions_detail = ("change_ban",)
    change_form_outer_after_template = "admin/ban.html"
    list_display = ("person", "on_stream", "kind", "why", "ends", "verdict", "objection", "created_at")
    list_display_links = ("person",)
    list_select_related = ("reviewed_by", "appeal")
    list_filter = (
        ("stream", AutocompleteSelectFilter),
        ("action_type", ChoicesDropdownFilter),
        ("review", ChoicesDropdownFilter),
        ("reviewed_by", AutocompleteSelectFilter),
        HoldingFilter,
        AppealFilter,
    )
    ordering = (Case(When(_waiting(), then=0), default=1).asc(), "-created_at", "-id")
    search_fields = ("target__username",)
    search_help_text = _("Username, or id of a ban, a person or a stream")
    id_fields = ("pk", "target_id", "stream_id")
    readonly_fields = ("end_in_words", "objection_state", "objection_text", "objection_at")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """People and streams of one page apart: joined, all bans would be sorted with them at their backs."""
        bans = super().get_queryset(request).select_related(*self.list_select_related)
        return bans.prefetch_related("target", "stream")

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        made = (
            None,
            {"fields": ("target", "stream", "action_type", "reason", "end_in_words", "created_by", "created_at")},
        )
        review = (_("Review"), {"fields": ("review", "reviewed_by", "reviewed_at")})
        appeal = (_("Appeal"), {"fields": ("objection_state", "objection_text", "objection_at")})
        details = (
            _("Details"),
            {"classes": ("collapse",), "fields": ("id", "batch_id", "updated_at", "deleted_at", "deleted_by")},
        )
        return (made, *((appeal,) if obj and _appeal(obj) else ()), review, details)

    def search(self, queryset: QuerySet[Any], text: str) -> QuerySet[Any]:
        return queryset.filter(target__username_key__contains=User.key_of(text))

    # --- who may --------------------------------------------------------------------------------

    def has_act_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("bans.moderate")

    def get_urls(self) -> list[URLPattern]:
        """Django would lead somebody who is no staff to the login: but whoever posts here is no lost visitor."""
        addresses: list[URLPattern] = super().get_urls()
        for address in addresses:
            address.callback = self._for_moderators(address.callback)
        return addresses

    def _for_moderators(self, view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
        def refusing(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if request.method == "POST" and request.user.is_authenticated and not self.has_act_permission(request):
                raise PermissionDenied
            return view(request, *args, **kwargs)

        return refusing

    # --- acting ---------------------------------------------------------------------------------

    def is_possible(self, act: Act, row: LiveStreamBan) -> bool:
        if act is UPHOLD:
            appeal = _appeal(row)
            objected = appeal is not None and appeal.state == Appeal.State.PENDING
            return not row.is_deleted and (row.review == Review.UNREVIEWED or objected)
        return not row.is_deleted if act is LIFT else row.holds(timezone.now())

    def get_actions_detail(self, request: HttpRequest, object_id: str) -> list[UnfoldAction]:
        """One form instead of the usual changes."""
        offered = super().get_actions_detail(request, object_id)
        usual = [one for one in offered if one.method.__name__ in USUAL_NAMES]
        hidden = USUAL_NAMES if usual else {"change_ban"}
        return [one for one in offered if one.method.__name__ not in hidden]

    def describe(self, row: LiveStreamBan) -> str:
        return (
            f"{row.target} · {row.stream} · {row.get_action_type_display()} · {' '.join(_holding(row, timezone.now()))}"
        )

    @action(description=_("Change"), permissions=["act"], icon="edit")
    def change_ban(self, request: HttpRequest, object_id: str) -> HttpResponse:
        ban = self.get_object(request, unquote(object_id))
        if ban is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, unquote(object_id))
        now_is = {"action_type": ban.action_type, "expires_at": ban.expires_at}
        form = ChangeForm(request.POST if request.method == "POST" else None, initial=now_is)
        if form.is_valid():
            act = _change("change_ban", _("Change"), lambda now: form.changes)
            self._perform(request, act, [ban], form.cleaned_data["reason"])
            return HttpResponseRedirect(self.page_of(ban))
        return self.ask(request, [ban], form, label=_("Change"), back=self.page_of(ban))

    # --- showing --------------------------------------------------------------------------------

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        ban = self.get_object(request, unquote(object_id or ""))
        shown = ban is not None and self.has_view_permission(request, ban)
        context = {"earlier_bans": self._earlier_bans(ban) if shown else None} | (extra_context or {})
        return super().changeform_view(request, object_id, form_url, context)

    def _earlier_bans(self, ban: LiveStreamBan) -> dict[str, Any] | None:
        """What the person was banned for before, newest first."""
        earlier = (
            LiveStreamBan.all_objects.filter(target=ban.target_id, created_at__lte=ban.created_at)
            .exclude(pk=ban.pk)
            .select_related("stream", "created_by")
            .order_by("-created_at", "-id")[:EARLIER_BANS_SHOWN]
        )
        now = timezone.now()
        rows = [
            [
                linked(one, _moment(one.created_at)),
                one.stream.title,
                one.get_action_type_display(),
                one.reason or "–",
                " ".join(_holding(one, now)),
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
        return list(_holding(ban, timezone.now()))

    @display(description=_("ends"))
    def end_in_words(self, ban: LiveStreamBan) -> str:
        return ", ".join(str(part) for part in _holding(ban, timezone.now()) if part)

    @display(description=_("review"), ordering="review", header=True)
    def verdict(self, ban: LiveStreamBan) -> list[str]:
        return [ban.get_review_display(), ban.reviewed_by.username if ban.reviewed_by else ""]

    @display(
        description=_("appeal"),
        ordering="appeal__state",
        label={Appeal.State.PENDING: "warning", Appeal.State.APPROVED: "success", Appeal.State.DENIED: "danger"},
    )
    def objection(self, ban: LiveStreamBan) -> tuple[str, str] | str:
        appeal = _appeal(ban)
        return (appeal.state, appeal.get_state_display()) if appeal else "–"

    @display(description=_("appeal"))
    def objection_state(self, ban: LiveStreamBan) -> str:
        appeal = _appeal(ban)
        return str(appeal.get_state_display()) if appeal else "–"

    @display(description=_("text"))
    def objection_text(self, ban: LiveStreamBan) -> str:
        appeal = _appeal(ban)
        return appeal.text if appeal else "–"

    @display(description=_("time"))
    def objection_at(self, ban: LiveStreamBan) -> str:
        appeal = _appeal(ban)
        return _moment(appeal.created_at) if appeal else "–"
