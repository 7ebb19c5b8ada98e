"""The bases of the admin: pages that show everything, and change it through services only, with a reason."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import orjson
from django import forms
from django.contrib import admin, messages
from django.contrib.admin import ActionLocation, helpers
from django.contrib.admin.utils import quote, unquote
from django.core.exceptions import BadRequest, PermissionDenied, ValidationError
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.html import format_html, format_html_join
from django.utils.safestring import mark_safe
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext, pgettext_lazy
from unfold.admin import ModelAdmin
from unfold.contrib.filters.admin import ChoicesDropdownFilter, FieldTextFilter, RangeDateTimeFilter
from unfold.dataclasses import UnfoldAction
from unfold.decorators import action, display
from unfold.enums import ActionVariant
from unfold.widgets import UnfoldAdminTextareaWidget

from common.admin_lists import DeclaredChangeList, declared_parameters
from common.fields import OBJECT_ID
from common.models import AuditEntry
from common.refusals import Refusal
from common.text_fields import ManyLinesFormField
from common.texts import isolated

LONGEST_REASON = 500  # characters
# Each row is a transaction of its own, and its id a field of the form: Django takes a thousand fields.
MOST_AT_ONCE = 500
ENTRIES_SHOWN = 200


# --- reading --------------------------------------------------------------------------------------


class ReadOnlyAdmin(ModelAdmin):
    """Shows the rows to whoever may view them. Nobody adds, edits or deletes one here."""

    # A second count, of all rows without the filters, would only say "of 100,000".
    show_full_result_count = False
    list_per_page = 50
    list_filter_submit = True
    show_facets = admin.ShowFacets.NEVER  # each of them counts the whole table once more
    change_form_outer_after_template: str | None = "admin/audit_trail.html"
    id_fields: tuple[str, ...] = ("pk",)
    """What a search for 24 hexadecimal characters is compared with."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return bool(super().has_view_permission(request, obj))

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[DeclaredChangeList]:
        return DeclaredChangeList

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Django's own allows every column of the model, a password hash too."""
        return lookup in declared_parameters(self, request)

    def to_field_allowed(self, request: HttpRequest, to_field: str) -> bool:
        """A row is named by its key alone."""
        return to_field == self.opts.pk.name

    def get_action_choices(
        self,
        request: HttpRequest,
        default_choices: list[tuple[str, Any]] | None = None,
        action_location: ActionLocation = ActionLocation.CHANGE_LIST,
    ) -> list[tuple[str, Any]]:
        # Past Unfold's own, which lacks the parameter that Django 6.1 brought.
        choose = default_choices or [("", _("Select action"))]
        return super(ModelAdmin, self).get_action_choices(request, choose, action_location)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        wanted = search_term.strip().lower()
        if OBJECT_ID.fullmatch(wanted):
            same_id = Q()
            for field in self.id_fields:
                same_id |= Q(**{field: wanted})
            return queryset.filter(same_id), False
        return self.search(queryset, search_term.strip()) if wanted else queryset, False

    def search(self, queryset: QuerySet[Any], text: str) -> QuerySet[Any]:
        """The rows that `text` finds; it is not empty and no id."""
        return queryset.none()

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        context = {"audit_trail": self._trail_of(request, object_id)} | (extra_context or {})
        return super().changeform_view(request, object_id, form_url, context)

    def _trail_of(self, request: HttpRequest, object_id: str | None) -> dict[str, Any] | None:
        """What happened to the row, oldest first, and only the last of a very long story."""
        target_id = unquote(object_id or "")
        if not OBJECT_ID.fullmatch(target_id) or not request.user.has_perm("common.view_auditentry"):
            return None
        newest = AuditEntry.objects.filter(target_id=target_id, target_type=self.opts.model_name)
        entries = list(newest.order_by("-id")[:ENTRIES_SHOWN])[::-1]
        headers = [_("time"), _("action"), _("by"), _("door"), _("change"), _("reason"), _("request")]
        return {
            "title": _("Audit trail"),
            "entries": entries,
            "table": {"headers": headers, "rows": [_told(entry) for entry in entries]},
        }


class SoftDeleteAdmin(ReadOnlyAdmin):
    """Shows the deleted rows too: an operator looks for exactly those."""

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        queryset: QuerySet[Any] = self.model.all_objects.get_queryset()
        return queryset.order_by(*self.get_ordering(request))


class DeletedFilter(admin.SimpleListFilter):
    title = pgettext_lazy("state", "deleted")
    parameter_name = "deleted"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("no", _("No")), ("yes", _("Yes"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() not in {"no", "yes"}:
            return queryset
        return queryset.filter(deleted_at__isnull=self.value() == "no")


# --- acting ---------------------------------------------------------------------------------------


class Service(Protocol):
    """Raises a `Refusal` when it may not happen."""

    __name__: str

    def __call__(self, target_id: str, /, *, by: Any, now: datetime, reason: str) -> object: ...


@dataclass(frozen=True)
class Act:
    """A service that staff may call, for one row or for many. `done` takes `count`."""

    service: Service
    label: str | Promise
    done: str | Promise
    icon: str
    variant: ActionVariant = ActionVariant.DEFAULT

    @property
    def name(self) -> str:
        return self.service.__name__

    def on_the_page(self) -> Callable[..., Any]:
        """What a ModelAdmin has under `name`: Unfold calls it with an id, Django with a queryset."""

        def run(
            model_admin: "ActingAdmin",
            request: HttpRequest,
            queryset: QuerySet[Any] | None = None,
            object_id: str = "",
        ) -> HttpResponse | None:
            if queryset is None:
                return model_admin.act_on_one(request, self, object_id)
            return model_admin.act_on_many(request, self, queryset)

        run.__name__ = self.name
        method: Callable[..., Any] = action(
            run, permissions=["act"], description=self.label, icon=self.icon, variant=self.variant
        )
        return method


class ReasonForm(forms.Form):
    reason = ManyLinesFormField(
        label=_("Reason"),
        max_length=LONGEST_REASON,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 4, "autofocus": True}),
        help_text=_("Stays in the audit trail, with your name."),
    )


class ActingAdmin(ReadOnlyAdmin):
    """Lets those with the model's change permission call `acts`: for one row, or for many in the list."""

    acts: tuple[Act, ...] = ()

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        for act in cls.acts:
            setattr(cls, act.name, act.on_the_page())
        cls.actions = tuple(act.name for act in cls.acts)
        cls.actions_detail = (*cls.actions, *cls.actions_detail)

    def has_act_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm(f"{self.opts.app_label}.change_{self.opts.model_name}")

    def is_possible(self, act: Act, row: Any) -> bool:
        """Whether to offer a button for it. The service decides again when it is pressed."""
        return True

    def describe(self, row: Any) -> str:
        """What tells this row from others with the same name."""
        return str(row.pk)

    def get_actions_detail(self, request: HttpRequest, object_id: str) -> list[UnfoldAction]:
        row = self.get_object(request, unquote(str(object_id)))
        if row is None:
            return []
        impossible = {act.name for act in self.acts if not self.is_possible(act, row)}
        return [
            offered
            for offered in super().get_actions_detail(request, object_id)
            if offered.method.__name__ not in impossible
        ]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        if request.method == "POST":
            self._refuse_crafted(request)
        return super().changelist_view(request, extra_context)

    def _refuse_crafted(self, request: HttpRequest) -> None:
        """Django would pass over what it did not offer, and crash on ids that are none."""
        if not self.has_act_permission(request):
            raise PermissionDenied
        for chosen in request.POST.getlist(helpers.ACTION_CHECKBOX_NAME):
            try:
                self.opts.pk.to_python(chosen)
            except ValidationError as error:
                raise BadRequest from error

    def act_on_one(self, request: HttpRequest, act: Act, object_id: str) -> HttpResponse:
        row = self.get_object(request, unquote(object_id))
        if row is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, unquote(object_id))
        form = ReasonForm(request.POST if request.method == "POST" else None)
        if form.is_valid():
            self._perform(request, act, [row], form.cleaned_data["reason"])
            return HttpResponseRedirect(self.page_of(row))
        return self.ask(request, [row], form, label=act.label, variant=act.variant, back=self.page_of(row))

    def act_on_many(self, request: HttpRequest, act: Act, queryset: QuerySet[Any]) -> HttpResponse | None:
        confirmed = "confirmed" in request.POST
        if confirmed:
            # The rows that were shown, also those that a filter of the list hides by now.
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
            self._perform(request, act, rows, form.cleaned_data["reason"])
            return HttpResponseRedirect(back)
        hidden = [("action", act.name), ("confirmed", "yes"), ("filters", filters.urlencode())]
        hidden += [(helpers.ACTION_CHECKBOX_NAME, row.pk) for row in rows]
        return self.ask(request, rows, form, label=act.label, variant=act.variant, back=back, hidden=hidden)

    def page_of(self, row: Any) -> str:
        name = f"{self.admin_site.name}:{self.opts.app_label}_{self.opts.model_name}_change"
        return reverse(name, args=(quote(row.pk),))

    def _perform(self, request: HttpRequest, act: Act, rows: Iterable[Any], reason: str) -> None:
        done = 0
        refused: dict[str, list[str]] = defaultdict(list)
        for row in rows:
            try:
                act.service(row.pk, by=request.user, now=timezone.now(), reason=reason)
            except Refusal as refusal:
                refused["; ".join(refusal.reasons)].append(str(row))
            else:
                done += 1
        if done:
            self.message_user(request, str(act.done % {"count": done}), messages.SUCCESS)
        for why, names in refused.items():
            self.message_user(request, f"{_named(names)}: {why}", messages.WARNING)

    def ask(
        self,
        request: HttpRequest,
        rows: Sequence[Any],
        form: forms.Form,
        *,
        label: str | Promise,
        back: str,
        variant: ActionVariant = ActionVariant.DEFAULT,
        hidden: Sequence[tuple[str, str]] = (),
    ) -> HttpResponse:
        """The page that shows what will be acted on and takes what `form` asks for."""
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "media": form.media,
            "title": label,
            "is_dangerous": variant is ActionVariant.DANGER,
            "rows": [(row, self.describe(row)) for row in rows],
            "form": form,
            "hidden": hidden,
            "back": back,
            "back_text": _("Back"),
        }
        return TemplateResponse(request, "admin/act.html", context)


def linked(row: Model, text: str) -> str:
    """`text` as a link to the row's page."""
    return link(reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=(row.pk,)), text)


def link(address: str, text: str) -> str:
    return format_html('<a class="text-primary-600 dark:text-primary-500" href="{}">{}</a>', address, text)


def _named(names: list[str], *, most: int = 3) -> str:
    shown, more = ", ".join(f"“{isolated(name)}”" for name in names[:most]), len(names) - most
    if more <= 0:
        return shown
    text = ngettext("%(names)s and %(count)d more", "%(names)s and %(count)d more", more)
    return text % {"names": shown, "count": more}


# --- the audit trail ------------------------------------------------------------------------------


def _told(entry: AuditEntry) -> list[str]:
    changes = format_html_join(mark_safe("<br>"), "{}: {} → {}", _changes(entry))
    return [_moment(entry), entry.action, _who(entry), entry.door, changes, entry.reason, entry.request_id]


def _moment(entry: AuditEntry) -> str:
    written = timezone.localtime(entry.at).strftime("%Y-%m-%d %H:%M:%S")
    return format_html('<span class="whitespace-nowrap">{}</span>', written)


def _who(entry: AuditEntry) -> str:
    return entry.actor_name or str(_("the system"))


def _changes(entry: AuditEntry) -> list[tuple[str, str, str]]:
    """Field, value before, value after."""
    fields = entry.before | entry.after
    return [(field, _written(entry.before.get(field)), _written(entry.after.get(field))) for field in fields]


def _written(value: Any) -> str:
    if value is None:
        return "–"
    return value if isinstance(value, str) else orjson.dumps(value).decode()


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnlyAdmin):
    change_form_outer_after_template = None
    list_display = ("moment", "verb", "target", "who", "entrance", "reason", "request_id")
    list_filter = (
        ("door", ChoicesDropdownFilter),
        ("action", FieldTextFilter),
        ("actor_name", FieldTextFilter),
        ("at", RangeDateTimeFilter),
    )
    ordering = ("-id",)
    sortable_by = ()  # the key tells the true order; the times are of many clocks
    search_fields = ("request_id",)
    search_help_text = _("Id of a target or an actor, request id, or name of an actor")
    id_fields = ("target_id", "actor_id")
    fieldsets = (
        (None, {"fields": ("moment", "verb", "target", "who", "entrance", "reason", "request_id")}),
        (_("Change"), {"fields": ("difference",)}),
    )

    def search(self, queryset: QuerySet[Any], text: str) -> QuerySet[Any]:
        return queryset.filter(Q(request_id=text) | Q(actor_name=text))

    @display(description=_("time"))
    def moment(self, entry: AuditEntry) -> str:
        return _moment(entry)

    @display(description=_("action"), label=True)
    def verb(self, entry: AuditEntry) -> str:
        return entry.action

    @display(description=_("door"), label={"admin": "warning", "command": "info", "task": "info"})
    def entrance(self, entry: AuditEntry) -> str:
        return entry.door

    @display(description=_("by"))
    def who(self, entry: AuditEntry) -> str:
        return _who(entry)

    @display(description=_("target"))
    def target(self, entry: AuditEntry) -> str:
        text = f"{entry.target_type} {entry.target_id}"
        for model, model_admin in self.admin_site._registry.items():
            if model._meta.model_name == entry.target_type:
                name = f"{model_admin.admin_site.name}:{model._meta.app_label}_{entry.target_type}_change"
                return format_html(
                    '<a class="text-primary-600 dark:text-primary-500" href="{}">{}</a>',
                    reverse(name, args=(entry.target_id,)),
                    text,
                )
        return text

    @display(description=_("before → after"))
    def difference(self, entry: AuditEntry) -> str:
        return "\n".join(f"{field}: {before} → {after}" for field, before, after in _changes(entry))
