"""How the admin's login checks a password: as the API does, with the same limit on guesses."""

from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils import timezone

from accounts import services
from accounts.models import User


class LimitedBackend(ModelBackend):
    def authenticate(
        self, request: HttpRequest | None, username: str | None = None, password: str | None = None, **kwargs: Any
    ) -> User | None:
        """Raises ValidationError, which the login form shows, when there were too many failures."""
        if username is None or password is None:
            return None
        try:
            return services.check_credentials(username, password, now=timezone.now())
        except services.WrongCredentials:
            return None
        except services.TooManyFailures as refusal:
            raise ValidationError(refusal.message) from refusal
