"""Environment variables, and the `.env` file of a checkout."""

import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import environ
from django.core.exceptions import ImproperlyConfigured

BASE_DIR = Path(__file__).resolve().parent.parent


class Env(environ.Env):
    """Reads environment variables; an empty one counts as unset."""

    def get_value(
        self, var: str, cast: Any = None, default: Any = environ.Env.NOTSET, parse_default: bool = False
    ) -> Any:
        if self.ENVIRON.get(var) == "":
            if default is self.NOTSET:
                raise ImproperlyConfigured(f"Set the {var} environment variable.")
            return default
        try:
            return super().get_value(var, cast, default, parse_default)
        except ValueError as error:
            raise ImproperlyConfigured(f"{var} is invalid: {error}") from error

    def db_url(self, var: str, *args: Any, **options: Any) -> Any:
        return self._address(super().db_url, var, "ENGINE", *args, **options)

    def email_url(self, var: str, *args: Any, **options: Any) -> Any:
        return self._address(super().email_url, var, "EMAIL_BACKEND", *args, **options)

    @staticmethod
    def _address(read: Callable[..., Any], var: str, kind: str, *args: Any, **options: Any) -> Any:
        """Raises ImproperlyConfigured without the value, and without its cause: both may have a part of a password."""
        try:
            with warnings.catch_warnings(action="ignore"):
                found = read(var, *args, **options)
        except (ValueError, KeyError, ImproperlyConfigured):
            found = None
        if not found or not found.get(kind):
            raise ImproperlyConfigured(
                f"{var} is no address that is known here. Signs of the password that are not letters or digits must be"
                " percent-encoded: %40 for @, %2F for /, %23 for #."
            ) from None
        return found


env = Env()
_given = set(os.environ)
env.read_env(BASE_DIR / ".env")
_FROM_FILE = {name: value for name, value in os.environ.items() if name not in _given}
# The embedded database, uploaded files, and archives of the audit trail.
DATA_DIR = (BASE_DIR / env.str("KUMANDA_DATA", default=".data")).resolve()


def given_environment() -> dict[str, str]:
    """The environment without what `.env` has added, so that another process reads the file again."""
    return {name: value for name, value in os.environ.items() if _FROM_FILE.get(name) != value}
