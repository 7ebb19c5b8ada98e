"""Django's command, through the service: with an audit row, and the end of all sessions."""

import getpass
from typing import Any

from django.contrib.auth.management.commands import changepassword
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management.base import CommandError
from django.utils import timezone

from accounts.management.people import found
from accounts.models import User
from accounts.services import replace_password

TRIES = 3


class Command(changepassword.Command):
    help = "Change a user's password, and end all sessions of the user. people password is the same without prompts."

    def handle(self, *args: Any, **options: Any) -> str:
        user = found(options["username"] or getpass.getuser())
        self.stdout.write(f"Changing password for user '{user}'")
        replace_password(user, self._asked(user), by=None, now=timezone.now())
        return f"Password changed successfully for user '{user}'"

    def _asked(self, user: User) -> str:
        """Raises CommandError after some wrong tries."""
        for _try in range(TRIES):
            password = getpass.getpass()
            if password != getpass.getpass("Password (again): "):
                self.stdout.write("Passwords do not match. Please try again.")
                continue
            try:
                validate_password(password, user)
            except ValidationError as error:
                self.stderr.write("\n".join(error.messages))
            else:
                return password
        raise CommandError(f"Aborting password change for user '{user}' after {TRIES} attempts")
