"""Users in the admin: read-only pages, and actions that end sessions, change activation or set a profile photo."""

from datetime import datetime
from typing import Any, cast

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.contrib.auth.models import Group
from django.contrib.auth.views import PasswordChangeView
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy
from django.views.decorators.debug import sensitive_post_parameters
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import action, display
from unfold.enums import ActionVariant
from unfold.forms import AdminOwnPasswordChangeForm
from unfold.widgets import UnfoldAdminImageFieldWidget

from accounts import preferences_page, services  # noqa: F401 - registers its page
from accounts.backends import client_of
from accounts.devices import remember_device
from accounts.hashing import LoginBusy
from accounts.login_limits import Client, TooManyFailures
from accounts.models import User
from accounts.serializers import file_url
from common.admin import ActionAdmin, AdminAction, MomentRangeFilter, page_of
from common.pictures import PictureSlotsFull
from common.refusals import Invalid
from common.texts import folded

# No service changes permissions yet, so that a change in the admin would leave no audit row. Operators use the shell.
admin.site.unregister(Group)


class OwnPasswordForm(AdminOwnPasswordChangeForm):
    client = Client()

    def clean_old_password(self) -> str:
        # The service checks the old password, within the login limits, after the new one has been validated.
        return str(self.cleaned_data["old_password"])

    def save(self, commit: bool = True) -> User:
        passwords = self.cleaned_data["old_password"], self.cleaned_data["new_password1"]
        services.change_own_password(self.user, *passwords, now=timezone.now(), client=self.client)
        self.user.refresh_from_db()
        return cast("User", self.user)


class OwnPasswordView(PasswordChangeView):
    form_class = OwnPasswordForm
    template_name = "registration/password_change_form.html"

    def form_valid(self, form: Any) -> HttpResponse:
        form.client = client_of(self.request)
        try:
            return super().form_valid(form)
        except Invalid as refusal:
            form.add_error(refusal.field, form.error_messages["password_incorrect"])
        except (TooManyFailures, LoginBusy) as refusal:
            form.add_error("old_password", refusal.reasons)
        return self.form_invalid(form)


def change_own_password(request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponseBase:
    return OwnPasswordView.as_view(
        success_url=reverse("admin:password_change_done"),
        extra_context=admin.site.each_context(request) | (extra_context or {}),
    )(request)


# Django's view would set the password without an audit row.
admin.site.password_change = change_own_password  # type: ignore[method-assign, assignment]

_login = admin.site.login


@sensitive_post_parameters("password")
def log_in(request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponseBase:
    """Django's login view; a successful login also sets the cookie of known devices."""
    response = _login(request, extra_context)
    if request.method == "POST" and response.status_code == 302 and isinstance(request.user, User):
        remember_device(response, request.user, request.COOKIES, path=settings.ADMIN_PREFIX)
    return response


admin.site.login = log_in  # type: ignore[method-assign, assignment]


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
    list_select_related = ("profile_photo",)
    list_filter = (
        "is_staff",
        "is_active",
        ("availability_status", ChoicesDropdownFilter),
        ("created_at", MomentRangeFilter),
    )
    ordering = ("-created_at", "-id")
    search_fields = ("username",)
    search_help_text = _("Username, name, email or id")
    fieldsets = (
        (None, {"fields": ("username", "name", "surname", "email", "is_active", "is_staff")}),
        (
            _("Times"),
            {"classes": ("tab",), "fields": ("availability_status", "last_login", "created_at", "updated_at")},
        ),
        (
            _("Identity"),
            {"classes": ("tab",), "fields": ("id", "identity_issuer", "identity_subject", "identity_tokens_from")},
        ),
    )

    column_names = {
        "availability_status": _("availability"),
        "identity_issuer": _("identity provider"),
        "identity_subject": _("id at the identity provider"),
        "identity_tokens_from": _("tokens of the identity provider are refused up to"),
    }

    def version_of(self, row: User) -> str:
        """Only the values that actions depend on. A form stays valid when the user changes a name or a photo."""
        return f"{row.is_active} {row.is_staff} {row.is_superuser}"

    def search(self, queryset: QuerySet[Any], text: str) -> QuerySet[Any]:
        words = folded(text).split()
        if not words:
            return queryset.none()
        named = Q(*(Q(names_folded__contains=word) for word in words))
        return queryset.filter(named | Q(email__iexact=text))

    @display(description=_("user"), ordering="username", header=True)
    def person(self, user: User) -> list[Any]:
        photo = user.profile_photo
        shown: dict[str, Any] = {"path": file_url(photo.variants["40"])} if photo else {}
        initials = (user.name[:1] + user.surname[:1]) or user.username[:2]
        return [user.get_full_name() or user.username, user.username, initials, shown]

    @display(
        description=_("availability"),
        ordering="availability_status",
        label={
            User.Availability.AVAILABLE: "success",
            User.Availability.BUSY: "warning",
            User.Availability.OFFLINE: "default",  # without a colour, Unfold shows the untranslated value
        },
    )
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
            except PictureSlotsFull as refusal:
                form.add_error("photo", str(refusal.message))
            else:
                self.message_user(request, _("The profile photo was set."), messages.SUCCESS)
                return HttpResponseRedirect(page_of(user))
        return self.ask(request, [user], form, label=_("Set profile photo"), back=page_of(user))
