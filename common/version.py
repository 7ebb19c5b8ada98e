"""Which version of the service this is, and which migrations its database has."""

import shutil
import subprocess

from django.conf import settings
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder


def service_version() -> str:
    """As pyproject.toml has it."""
    version: str = settings.SPECTACULAR_SETTINGS["VERSION"]
    return version


def commit() -> str:
    """The commit of the checkout; empty where there is none, as in a container."""
    git = shutil.which("git")
    if git is None or not (settings.BASE_DIR / ".git").exists():
        return ""
    asked = [git, "-C", str(settings.BASE_DIR), "rev-parse", "HEAD"]
    # git refuses the checkout of another user.
    return subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()


def postgresql_version() -> str:
    """Of the database server, as "18.6"."""
    number = connection.pg_version  # type: ignore[attr-defined]
    return f"{number // 10_000}.{number % 10_000}"


def known_migrations() -> set[str]:
    """The migrations of this version, as `app.name`."""
    return {f"{app}.{name}" for app, name in MigrationLoader(None).disk_migrations}


def applied_migrations() -> list[str]:
    """Those that the database has; none without the table of migrations."""
    return sorted(f"{app}.{name}" for app, name in MigrationRecorder(connection).applied_migrations())
