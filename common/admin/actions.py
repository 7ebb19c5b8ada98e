"""Admin actions: services that staff call for one row or for many, with a reason."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import orjson
from django import forms
from django.contrib import messages
from django.contrib.admin import ActionLocation, helpers
from django.contrib.admin.utils import unquote
from django.core.exceptions import BadRequest, PermissionDenied, ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.template.response import TemplateResponse
from django.urls import URLPattern
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from unfold.dataclasses import UnfoldAction
from unfold.decorators import action as unfold_action
from unfold.enums import ActionVariant

from common.admin.audit_trail import actor_of
from common.admin.bases import ReadOnlyAdmin
from common.admin.forms import ReasonForm
from common.admin.links import page_of
from common.admin.pages import refusing_posts
from common.models import AuditEntry
from common.refusals import Conflict, Refusal, Text
from common.texts import isolated
from common.times import written_exactly

# Each row has a transaction of its own and its id in a field of the form, of which Django accepts a thousand.
MOST_AT_ONCE = 500
VERSIONS = "versions"  # hidden field with the version of each row that the form showed: a JSON object by id


class ChangedMeanwhile(Conflict):
    code = "changed_meanwhile"
    message = _("it was changed while the form was open; look at it again")


class Service(Protocol):
    """Makes the change. Raises a `Refusal` when it is not possible."""

    def __call__(self, target_id: str, /, *, by: Any, now: datetime, reason: str) -> object: ...


class Rule(Protocol):
    """Raises the `Refusal` that the service would raise for this row with its present values."""

    def __call__(self, row: Any, /, *, by: Any, now: datetime) -> object: ...


@dataclass(frozen=True)
class AdminAction:
    """A service that staff may call, for one row or for many.

    `name` is part of the action's URL and of the form that asks for the reason, so it is stable. `rule` is the check
    that the service itself makes under its lock; a page offers the action for rows that pass it. `done` is the message
    of success and takes `count`. With a `permission` only its holders are offered the action, and others get 403.
    """

    name: str
    service: Service
    rule: Rule
    label: Text
    done: Text
    icon: str
    variant: ActionVariant = ActionVariant.DEFAULT
    permission: str = ""

    def as_method(self) -> Callable[..., Any]:
        """The method of the ModelAdmin, called `name`. Unfold passes it an id, Django a queryset."""

        def run(
            model_admin: "ActionAdmin",
            request: HttpRequest,
            queryset: QuerySet[Any] | None = None,
            object_id: str = "",
        ) -> HttpResponse | None:
            if queryset is None:
                return model_admin.run_on_one(request, self, object_id)
            return model_admin.run_on_many(request, self, queryset)

        run.__name__ = self.name
        method: Callable[..., Any] = unfold_action(
            run, permissions=["admin_action"], description=self.label, icon=self.icon, variant=self.variant
        )
        return method


class ActionAdmin(ReadOnlyAdmin):
    """Offers `admin_actions` to users with the model's change permission, for one row or for many of the list."""

    admin_actions: tuple[AdminAction, ...] = ()

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        for action in cls.admin_actions:
            setattr(cls, action.name, action.as_method())
        cls.actions = tuple(action.name for action in cls.admin_actions)
        cls.actions_detail = (*cls.actions, *cls.actions_detail)

    def has_admin_action_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm(f"{self.opts.app_label}.change_{self.opts.model_name}")

    def refusal(self, request: HttpRequest, action: AdminAction, row: Any) -> Refusal | None:
        """Why the action would be refused for this row. The service decides again when it is called."""
        try:
            action.rule(row, by=request.user, now=timezone.now())
        except Refusal as refusal:
            return refusal
        return None

    def version_of(self, row: Any) -> str:
        """A text that changes with every value that staff look at before they run an action (optimistic locking)."""
        return row.updated_at.isoformat() if hasattr(row, "updated_at") else ""

    def get_actions(self, request: HttpRequest, action_location: Any = ActionLocation.CHANGE_LIST) -> Any:
        offered = super().get_actions(request, action_location)
        barred = {action.name for action in self.admin_actions if self._is_barred(request, action)}
        return {name: entry for name, entry in offered.items() if name not in barred}

    def get_actions_detail(self, request: HttpRequest, object_id: str) -> list[UnfoldAction]:
        row = self.get_object(request, unquote(str(object_id)))
        if row is None:
            return []
        refused = {action.name for action in self.admin_actions if self.refusal(request, action, row) is not None}
        return [
            offered
            for offered in super().get_actions_detail(request, object_id)
            if offered.method.__name__ not in refused
        ]

    def _is_barred(self, request: HttpRequest, action: AdminAction) -> bool:
        return bool(action.permission) and not request.user.has_perm(action.permission)

    def get_urls(self) -> list[URLPattern]:
        """Unauthorised POSTs are answered with 403 instead of Django's redirect to the login page."""
        addresses: list[URLPattern] = super().get_urls()
        for address in addresses:
            address.callback = refusing_posts(address.callback, unless=self.has_admin_action_permission)
        return addresses

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        if request.method == "POST":
            self._refuse_crafted(request)
        return super().changelist_view(request, extra_context)

    def _refuse_crafted(self, request: HttpRequest) -> None:
        """Answers forged requests with 403 or 400. Django would ignore the action, and crash on malformed ids."""
        if not self.has_admin_action_permission(request):
            raise PermissionDenied
        if any(
            action.name == request.POST.get("action") and self._is_barred(request, action)
            for action in self.admin_actions
        ):
            raise PermissionDenied
        for chosen in request.POST.getlist(helpers.ACTION_CHECKBOX_NAME):
            try:
                self.opts.pk.to_python(chosen)
            except ValidationError as error:
                raise BadRequest from error

    def run_on_one(self, request: HttpRequest, action: AdminAction, object_id: str) -> HttpResponse:
        if self._is_barred(request, action):
            raise PermissionDenied
        row = self.get_object(request, unquote(object_id))
        if row is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, unquote(object_id))
        form = ReasonForm(request.POST if request.method == "POST" else None)
        if form.is_valid():
            self._perform(request, action, [row], form.cleaned_data["reason"])
            return HttpResponseRedirect(page_of(row))
        return self.ask_for(request, action, [row], form, back=page_of(row))

    def run_on_many(self, request: HttpRequest, action: AdminAction, queryset: QuerySet[Any]) -> HttpResponse | None:
        confirmed = "confirmed" in request.POST
        if confirmed:
            # All rows that the form showed, including those that no longer match a filter of the list.
            chosen = request.POST.getlist(helpers.ACTION_CHECKBOX_NAME)
            queryset = self.get_queryset(request).filter(pk__in=chosen)
        rows = list(queryset[: MOST_AT_ONCE + 1])
        if len(rows) > MOST_AT_ONCE:
            text = _("Choose at most %(most)d at once.") % {"most": MOST_AT_ONCE}
            self.message_user(request, text, messages.ERROR)
            return None
        filters = QueryDict(request.POST.get("filters", "")) if confirmed else request.GET
        back = f"{request.path}?{filters.urlencode()}" if filters else request.path
        form = ReasonForm(request.POST if confirmed else None)
        if form.is_valid():
            self._perform(request, action, rows, form.cleaned_data["reason"])
            return HttpResponseRedirect(back)
        hidden = [("action", action.name), ("confirmed", "yes"), ("filters", filters.urlencode())]
        return self.ask_for(request, action, rows, form, back=back, hidden=hidden)

    def _perform(self, request: HttpRequest, action: AdminAction, rows: Iterable[Any], reason: str) -> None:
        done = 0
        refused: dict[str, list[str]] = defaultdict(list)
        for row in rows:
            try:
                if (stale := self.stale(request, row)) is not None:
                    raise stale
                action.service(row.pk, by=request.user, now=timezone.now(), reason=reason)
            except Refusal as refusal:
                refused["; ".join(refusal.reasons)].append(str(row))
            else:
                done += 1
        if done:
            self.message_user(request, str(action.done % {"count": done}), messages.SUCCESS)
        for why, names in refused.items():
            self.message_user(request, f"{_named(names)}: {why}", messages.WARNING)

    def stale(self, request: HttpRequest, row: Any) -> ChangedMeanwhile | None:
        """The refusal, with the last actor, when the row has changed since the form showed it; else None.

        Without a version in the form there is no check, so that scripts can post without reading the form first.
        """
        shown = versions_sent(request).get(str(row.pk))
        if shown is None or shown == self.version_of(row):
            return None
        newest = AuditEntry.objects.filter(target_id=row.pk, target_type=self.opts.model_name).order_by("-id").first()
        if newest is None:
            return ChangedMeanwhile()
        message = _("%(who)s changed it while the form was open, on %(moment)s (%(action)s); look at it again")
        names = {"who": actor_of(newest), "moment": written_exactly(newest.at), "action": newest.action}
        return ChangedMeanwhile(message % names)

    def ask_for(
        self,
        request: HttpRequest,
        action: AdminAction,
        rows: Sequence[Any],
        form: forms.Form,
        *,
        back: str,
        hidden: Sequence[tuple[str, str]] = (),
    ) -> HttpResponse:
        """The confirmation page: the rows that the action is possible for, and the other rows with the reason."""
        refusals = {row: self.refusal(request, action, row) for row in rows}
        possible = [row for row, refusal in refusals.items() if refusal is None]
        refused = [(row, "; ".join(refusal.reasons)) for row, refusal in refusals.items() if refusal is not None]
        if hidden:
            hidden = [*hidden, *((helpers.ACTION_CHECKBOX_NAME, row.pk) for row in possible)]
        return self.ask(
            request,
            possible,
            form,
            label=action.label,
            variant=action.variant,
            back=back,
            hidden=hidden,
            refused=refused,
        )

    def ask(
        self,
        request: HttpRequest,
        rows: Sequence[Any],
        form: forms.Form,
        *,
        label: Text,
        back: str,
        variant: ActionVariant = ActionVariant.DEFAULT,
        hidden: Sequence[tuple[str, str]] = (),
        refused: Sequence[tuple[Any, str]] = (),
    ) -> HttpResponse:
        """A page with the rows that will be changed and with `form`.

        Rows in `refused` are shown with the reason and are not changed. Without any row in `rows` there is no form.
        """
        seen = versions_sent(request) or {str(row.pk): self.version_of(row) for row in rows}
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "media": form.media,
            "title": label,
            "is_dangerous": variant is ActionVariant.DANGER,
            "rows": [(row, self.describe(row)) for row in rows],
            "refused": [(row, self.describe(row), why) for row, why in refused],
            "refused_text": _("Not possible:"),
            "form": form,
            "hidden": [*hidden, (VERSIONS, orjson.dumps(seen).decode())],
            "back": back,
            "back_text": _("Back"),
        }
        return TemplateResponse(request, "admin/action.html", context)


def versions_sent(request: HttpRequest) -> dict[str, str]:
    """The version of each row that the posted form showed; empty if it has none. Raises BadRequest."""
    try:
        sent = orjson.loads(request.POST.get(VERSIONS, "{}"))
    except orjson.JSONDecodeError as error:
        raise BadRequest from error
    if not isinstance(sent, dict):
        raise BadRequest
    return sent


def _named(names: list[str], *, most: int = 3) -> str:
    shown, more = ", ".join(f"“{isolated(name)}”" for name in names[:most]), len(names) - most
    if more <= 0:
        return shown
    text = ngettext("%(names)s and %(count)d more", "%(names)s and %(count)d more", more)
    return text % {"names": shown, "count": more}
