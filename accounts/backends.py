"""The authentication backend of the admin's login: the checks and limits are those of the API."""

from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils import timezone

from accounts import services
from accounts.hashing import LoginBusy
from accounts.login_limits import Client, TooManyFailures
from accounts.models import User
from common.addresses import client_address


class LimitedBackend(ModelBackend):
    def get_user(self, user_id: str) -> User | None:
        """The active user of an admin session, with the preferences, so that no page reads them on its own."""
        user = User.objects.select_related("stored_preferences").filter(pk=user_id).first()
        return user if user is not None and self.user_can_authenticate(user) else None

    def authenticate(
        self, request: HttpRequest | None, username: str | None = None, password: str | None = None, **kwargs: Any
    ) -> User | None:
        """Raises ValidationError, which the login form shows, for the refusals TooManyFailures and LoginBusy."""
        if username is None or password is None:
            return None
        try:
            return services.check_credentials(username, password, now=timezone.now(), client=client_of(request))
        except services.WrongCredentials:
            return None
        except (TooManyFailures, LoginBusy) as refusal:
            raise ValidationError(refusal.reasons) from refusal


def client_of(request: HttpRequest | None) -> Client:
    return Client(client_address(request.META), request.COOKIES) if request else Client()
