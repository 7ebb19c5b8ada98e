"""Logins of staff, and the change of their own passwords, in the admin."""

from typing import Any, cast

from django.conf import settings
from django.contrib import admin
from django.contrib.auth import admin as registered_by_django  # noqa: F401 - before it is unregistered
from django.contrib.auth.models import Group
from django.contrib.auth.views import PasswordChangeView
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.debug import sensitive_post_parameters
from unfold.forms import AdminOwnPasswordChangeForm

from accounts import services
from accounts.backends import client_of
from accounts.devices import remember_device
from accounts.hashing import LoginBusy
from accounts.login_limits import Client, TooManyFailures
from accounts.models import User
from common.refusals import Invalid

# A change of a group in the admin would leave no audit row. Roles are granted with `manage.py people`.
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
