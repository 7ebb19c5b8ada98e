"""Users in the admin: read-only pages, and actions that end sessions, change activation or set a profile photo."""

from datetime import datetime
from typing import Any, cast

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import action, display
from unfold.enums import ActionVariant
from unfold.widgets import UnfoldAdminImageFieldWidget

from accounts import services
from accounts.admin.card import AVAILABILITY_COLOURS
from accounts.models import User
from accounts.serializers import file_url
from common.admin import ActionAdmin, AdminAction, Found, MomentRangeFilter, SearchedColumn, WordSearch, page_of
from common.refusals import Invalid, Unavailable


class PhotoForm(forms.Form):
    photo = forms.FileField(
        label=_("Profile photo"),
        help_text=_("JPEG, PNG or WebP, at most 5 MB"),
        widget=UnfoldAdminImageFieldWidget(attrs={"accept": "image/jpeg,image/png,image/webp"}),
    )


def log_out(user_id: str, *, by: User, now: datetime, reason: str) -> None:
    user = User.objects.filter(pk=user_id).first()
    if user is None:
        raise services.UserMissing
    services.refuse_log_out(user, now=now)
    services.log_out(user, by=by, now=now, reason=reason)


def _check_log_out(user: User, /, *, by: User, now: datetime) -> None:
    services.refuse_log_out(user, now=now)


def _check_deactivation(user: User, /, *, by: User, now: datetime) -> None:
    services.refuse_set_active(user, to=False, by=by)


def _check_activation(user: User, /, *, by: User, now: datetime) -> None:
    services.refuse_set_active(user, to=True, by=by)


END_SESSIONS = AdminAction(
    name="log_out",
    service=log_out,
    rule=_check_log_out,
    label=_("End all sessions"),
    done=ngettext_lazy("%(count)d user was logged out.", "%(count)d users were logged out.", "count"),
    icon="logout",
    variant=ActionVariant.WARNING,
)

DEACTIVATE = AdminAction(
    name="deactivate_user",
    service=services.deactivate_user,
    rule=_check_deactivation,
    label=_("Deactivate"),
    done=ngettext_lazy("%(count)d user was deactivated.", "%(count)d users were deactivated.", "count"),
    icon="person_off",
    variant=ActionVariant.DANGER,
)
ACTIVATE = AdminAction(
    name="activate_user",
    service=services.activate_user,
    rule=_check_activation,
    label=_("Activate"),
    done=ngettext_lazy("%(count)d user was activated.", "%(count)d users were activated.", "count"),
    icon="person_check",
)


@admin.register(User)
class UserAdmin(ActionAdmin):
    admin_actions = (END_SESSIONS, DEACTIVATE, ACTIVATE)
    actions_detail = ("set_profile_photo",)
    list_display = ("person", "email", "availability", "is_staff", "is_active", "created_at")
    list_filter = (
        "is_staff",
        "is_active",
        ("availability_status", ChoicesDropdownFilter),
        ("created_at", MomentRangeFilter),
    )
    ordering = ("-created_at", "-id")
    sortable_by = ("person", "created_at")  # no index has the others
    search_fields = ("username",)
    search_help_text = _("Username, name, email or id")
    word_search = WordSearch(SearchedColumn(User.objects.all, "names_folded"))
    fieldsets = (
        (
            _("Details"),
            {
                "classes": ("collapse",),
                "fields": (
                    "username",
                    "name",
                    "surname",
                    "email",
                    "last_login",
                    "created_at",
                    "updated_at",
                    "id",
                    "identity_issuer",
                    "identity_subject",
                    "identity_tokens_from",
                ),
            },
        ),
    )

    column_names = {
        "availability_status": _("availability"),
        "identity_issuer": _("identity provider"),
        "identity_subject": _("id at the identity provider"),
        "identity_tokens_from": _("tokens of the identity provider are refused up to"),
    }

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        queryset: QuerySet[Any] = super().get_queryset(request)
        return queryset.select_related("profile_photo")

    def version_of(self, row: User) -> str:
        """Only the values that actions depend on. A form stays valid when the user changes a name or a photo."""
        return f"{row.is_active} {row.is_staff} {row.is_superuser}"

    def search(self, queryset: QuerySet[Any], text: str) -> QuerySet[Any] | Found:
        """By the words of the names; or the only people with this address, if it is one."""
        if "@" in text:
            with_address = queryset.filter(email__iexact=text)
            if with_address.exists():
                return with_address
        return super().search(queryset, text)

    @display(description=_("user"), ordering="username", header=True)
    def person(self, user: User) -> list[Any]:
        photo = user.profile_photo
        shown: dict[str, Any] = {"path": file_url(photo.variants["40"])} if photo else {}
        return [user.shown_name, user.username, user.initials, shown]

    @display(description=_("availability"), ordering="availability_status", label=AVAILABILITY_COLOURS)
    def availability(self, user: User) -> tuple[str, str]:
        return user.availability_status, user.get_availability_status_display()

    @action(description=_("Set profile photo"), permissions=["admin_action"], icon="add_a_photo")
    def set_profile_photo(self, request: HttpRequest, object_id: str) -> HttpResponse:
        user = self.get_object(request, unquote(object_id))
        if user is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, unquote(object_id))
        sent = (request.POST, request.FILES) if request.method == "POST" else ()
        form = PhotoForm(*sent)
        if form.is_valid():
            try:
                services.set_profile_photo(
                    user, form.cleaned_data["photo"], by=cast("User", request.user), now=timezone.now()
                )
            except Invalid as refusal:
                form.add_error("photo", str(refusal.rule))
            except Unavailable as refusal:
                form.add_error("photo", str(refusal.message))
            else:
                self.message_user(request, _("The profile photo was set."), messages.SUCCESS)
                return HttpResponseRedirect(page_of(user))
        return self.ask(request, [user], form, label=_("Set profile photo"), back=page_of(user))
