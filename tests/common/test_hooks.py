"""Settings with dotted paths of functions: a wrong path is an error at start that names the setting and the path."""

import os
import subprocess
import sys
from typing import Any

import pytest
from django.core.checks import run_checks
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.core.management.base import SystemCheckError

from common.hooks import Hook, check_hooks, require_hooks
from config import settings as project_settings
from config.environment import BASE_DIR
from tests.patience import PATIENCE

SETTINGS = [
    "AUDIENCE_RESTRICTION",
    "DOCTOR_CHECKS",
    "KEY_USES",
    "KNOWN_CHANNELS",
    "METRICS_READINGS",
    "MODERATES",
    "PERSONAL_DATA",
    "READINESS_FACTS",
    "REMINDER_WAITS",
    "RETENTION",
    "STORED_FILES",
    "STREAM_BANS",
    "STREAM_FOLLOWERS",
    "STREAM_REMINDERS",
    "VERDICT_NOTICES",
    "VERDICT_WITHDRAWAL",
]
WRONG = "bans.models.no_such_function"


def in_place_of(value: Any, path: str) -> Any:
    """The setting with `path` as its last or only path."""
    if isinstance(value, dict):
        return value | {list(value)[-1]: path}
    return path if isinstance(value, str) else [*value[:-1], path]


def test_the_hooks_of_this_projects_settings_are_valid() -> None:
    assert check_hooks() == []


def test_every_setting_with_paths_of_our_functions_is_a_hook() -> None:
    def paths(value: Any) -> list[str]:
        if isinstance(value, dict | list | tuple):
            return [path for each in (value.values() if isinstance(value, dict) else value) for path in paths(each)]
        return [value] if isinstance(value, str) else []

    # Settings that Django, DRF, drf-spectacular and Procrastinate resolve themselves, and names of known channels.
    theirs = {
        "AUTHENTICATION_BACKENDS",
        "AUTH_PASSWORD_VALIDATORS",
        "AUTH_USER_MODEL",
        "CSRF_FAILURE_VIEW",
        "DATABASES",
        "REQUEST_DATABASE",  # an entry of DATABASES
        "STORAGES",
        "FILE_UPLOAD_HANDLERS",
        "FORMAT_MODULE_PATH",
        "GUIDES",  # common/guides.py resolves them when it renders; tests render all guides
        "MIDDLEWARE",
        "NOTIFICATION_CHANNELS",
        "PROCRASTINATE_ON_APP_READY",
        "RENAMED_TASKS",  # names of stored jobs, for Procrastinate
        "REST_FRAMEWORK",
        "ENCRYPTED_COLUMNS",  # columns, and signers: objects, which tests of rotated keys import
        "LASTING_SIGNERS",
        "ROOT_URLCONF",
        "SPECTACULAR_SETTINGS",
        "TEMPLATES",
        "LOGGING",
        "UNFOLD",
        "UNLIMITED_PERMISSION",
    }
    apps = ("accounts.", "bans.", "common.", "config.", "edges.", "livestreams.", "reminders.")
    naming = {
        name
        for name, value in vars(project_settings).items()
        if name.isupper() and any(path.startswith(apps) for path in paths(value))
    }

    assert naming - theirs == set(SETTINGS)
    assert sorted(hook.setting for hook in Hook.declared) == SETTINGS


@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize("path", [WRONG, "no_such_app.function", "bans"])
def test_a_path_that_cannot_be_imported_is_an_error_of_the_system_check(name: str, path: str, settings: Any) -> None:
    setattr(settings, name, in_place_of(getattr(settings, name), path))

    (error,) = [found for found in run_checks() if found.id == "hooks.E001"]

    assert str(error.msg).startswith(f"{name} names {path}, which is not a ")
    with pytest.raises(SystemCheckError, match=f"{name} names {path}"):
        call_command("check")
    with pytest.raises(ImproperlyConfigured, match=f"{name} names {path}"):
        require_hooks()


@pytest.mark.parametrize("name", SETTINGS)
def test_a_function_with_other_parameters_is_an_error(name: str, settings: Any) -> None:
    settings.DOCTOR_CHECKS = settings.DOCTOR_CHECKS[:1]
    path = "common.hooks._refuse_other_parameters"
    setattr(settings, name, in_place_of(getattr(settings, name), path))

    (error,) = check_hooks()

    assert str(error.msg).startswith(f"{name} names {path}, which is not a ")


def test_a_setting_that_is_missing_is_an_error(settings: Any) -> None:
    del settings.REMINDER_WAITS

    assert [error.msg for error in check_hooks()] == ["REMINDER_WAITS is not set"]


def test_a_server_with_a_wrong_path_does_not_start(tmp_path: Any) -> None:
    (tmp_path / "wrong_settings.py").write_text(f"from config.settings import *\n\nSTREAM_FOLLOWERS = {WRONG!r}\n")
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "wrong_settings", "PYTHONPATH": str(tmp_path)}
    for program in (["manage.py", "serve", "--port", "1"], ["-c", "import config.rsgi"]):
        ended = subprocess.run(
            [sys.executable, *program],
            cwd=BASE_DIR,
            env=environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert ended.returncode == 1
        assert f"STREAM_FOLLOWERS names {WRONG}" in ended.stderr
