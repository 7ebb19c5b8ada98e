"""Django's command, through the service: with an audit row."""

from typing import Any

from django.contrib.auth.management.commands import createsuperuser
from django.core.management.base import CommandError
from django.utils import timezone

from accounts.models import User
from accounts.services import create_user
from common.refusals import Refusal


class _Recorded:
    """Stands for the model in Django's command. What it creates is created by the service."""

    def __init__(self) -> None:
        self._default_manager = self

    def __getattr__(self, name: str) -> Any:
        return getattr(User, name)

    def __call__(self, **values: Any) -> User:
        return User(**values)

    def db_manager(self, using: str) -> "_Recorded":
        return self

    def get_by_natural_key(self, username: str) -> User:
        return User.objects.get_by_natural_key(username)

    def create_superuser(self, username: str, password: str | None, **fields: Any) -> User:
        rights = {"is_staff": True, "is_superuser": True}
        return create_user(username, password, by=None, now=timezone.now(), **rights | fields)


class Command(createsuperuser.Command):
    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.UserModel = _Recorded()  # type: ignore[assignment]

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            super().handle(*args, **options)
        except Refusal as refusal:
            raise CommandError("; ".join(refusal.reasons)) from refusal
