"""What all operator commands have in common: help, examples, JSON output, exit codes, Ctrl-C."""

import json
import os
import shlex
import signal
import subprocess
from collections.abc import Callable
from functools import cache
from io import StringIO
from pathlib import Path

import pytest
from django.conf import settings as django_settings
from django.core.management import CommandError, call_command, get_commands, load_command_class

from accounts.models import User
from bans.models import LiveStreamBan
from common.commands import OperatorCommand
from tests.commands.conftest import Run, Start, waiting_for_streams
from tests.commands.example_rows import NAMED_STREAM, make_role, make_rows_of_examples
from tests.forking import manage
from tests.patience import PATIENCE
from tests.streams import make_stream

COMMANDS = sorted(
    name
    for name, app in get_commands().items()
    if app in {"accounts", "bans", "common", "config", "edges", "livestreams", "reminders"}
    and isinstance(load_command_class(app, name), OperatorCommand)
)
CHANGING = [
    "backup",
    "deliveries",
    "dispatch_reminders",
    "expire_streams",
    "grant_service_role",
    "import_bans",
    "media",
    "people",
    "purge",
    "queue",
    "rename_user",
    "rotate_join_key",
    "rotate_keys",
    "seal_audit_trail",
    "streams",
]
SERVICE_ROLE = "service"  # as in the examples
LOCKING_STREAMS = ["dispatch_reminders", "expire_streams", "import_bans", "purge", "streams"]


@pytest.fixture
def files(creator: User, viewer: User, moderator: User, tmp_path: Path) -> Path:
    """The folder with the files of the examples, each with one ban. Rows and roles of the examples exist, too."""
    stream = make_stream(creator)
    make_rows_of_examples(stream)
    ban = {"liveStreamId": stream.pk, "targetUsername": viewer.username, "createdBy": creator.pk}
    make_role(SERVICE_ROLE)
    (tmp_path / "bans.ndjson").write_text(json.dumps(ban), encoding="utf-8")
    (tmp_path / "bans.csv").write_text(f"{','.join(ban)}\n{','.join(ban.values())}\n", encoding="utf-8")
    return tmp_path


def required_arguments(command: str, files: Path) -> list[str]:
    """The arguments that the command requires."""
    return {
        "backup": ["--folder", str(files / "backups")],
        "export_bans": ["--output", os.devnull],
        "grant_service_role": [SERVICE_ROLE],
        "import_bans": [str(files / "bans.ndjson")],
        "media": ["check"],
        "people": ["deactivate", "viewer"],
        "deliveries": ["retry", "--all", "--reason", "why"],
        "queue": ["retry", "--all", "--reason", "why"],
        "streams": ["retain", NAMED_STREAM, "--reason", "why"],
        "rename_user": ["viewer", "other.viewer"],
        "restore": ["newest"],
    }.get(command, [])


@pytest.fixture(scope="module")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an embedded database that has been migrated. Its server is stopped."""
    folder = tmp_path_factory.mktemp("migrated")
    subprocess.run(
        manage("migrate", "--verbosity", "0"),
        cwd=django_settings.BASE_DIR,
        env=os.environ | {"DATABASE_URL": "", "KUMANDA_DATA": str(folder)},
        timeout=PATIENCE,
        check=True,
    )
    return folder


@pytest.fixture
def environment_of(
    place: dict[str, str], tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Callable[[str], dict[str, str]]:
    """The environment variables for a command. `seed_demo` and `restore` get an embedded database of their own."""

    def chosen(command: str) -> dict[str, str]:
        if command not in {"seed_demo", "restore"}:
            return place
        own = tmp_path_factory.mktemp("own")
        embedded = place | {"DATABASE_URL": "", "DATABASE_DIRECT_URL": "", "KUMANDA_DATA": str(own)}
        if command == "restore":
            backups = tmp_path_factory.mktemp("backups")
            call_command("backup", "--folder", str(backups), stdout=StringIO())
            return embedded | {"BACKUP_FOLDER": str(backups), "SECRET_KEY": django_settings.SECRET_KEY}
        # With its owner, who is not root.
        subprocess.run(["cp", "-a", f"{request.getfixturevalue('migrated')}/.", own], check=True)
        return embedded

    return chosen


def examples_of(help_text: str) -> list[str]:
    shown = help_text.split("\nexamples:\n")[1].split("\n\n", maxsplit=1)[0]
    return [line.strip() for line in shown.splitlines()]


def test_the_list_of_operator_commands() -> None:
    assert COMMANDS == [
        "backup",
        "deliveries",
        "dispatch_reminders",
        "doctor",
        "expire_streams",
        "export_bans",
        "grant_service_role",
        "import_bans",
        "media",
        "people",
        "purge",
        "queue",
        "rename_user",
        "restore",
        "rotate_join_key",
        "rotate_keys",
        "seal_audit_trail",
        "seed_demo",
        "streams",
        "version",
    ]


@pytest.fixture(scope="module")
def help_of() -> Callable[[str], str]:
    """The output of --help, cached for all tests of the module. It needs no database."""

    @cache
    def printed(command: str) -> str:
        return subprocess.run(
            manage(command, "--help"),
            cwd=django_settings.BASE_DIR,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=True,
        ).stdout

    return printed


@pytest.mark.parametrize("command", COMMANDS)
def test_every_example_of_the_help_works(
    command: str, help_of: Callable[[str], str], environment_of: Callable[[str], dict[str, str]], files: Path
) -> None:
    examples = examples_of(help_of(command))
    environment = environment_of(command)

    assert len(examples) >= 2
    for example in examples:
        python, program, *words = shlex.split(example)
        assert (python, program, words[0]) == ("python", "manage.py", command)
        finished = subprocess.run(
            manage(*words),
            cwd=files,
            env=environment,
            # One example reads standard input.
            input=(files / "bans.csv").read_text(encoding="utf-8"),
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert finished.returncode == 0, finished.stderr
        assert finished.stdout.strip()
    named = LiveStreamBan.objects.filter(target__username="viewer", stream__creator__username="creator")
    assert named.count() == (command == "import_bans")


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_lists_every_exit_code(command: str, help_of: Callable[[str], str]) -> None:
    listed = help_of(command).split("exit codes:")[1]
    assert [line.split()[0] for line in listed.splitlines() if line.strip()] == ["0", "1", "2", "130"]


@pytest.mark.parametrize("command", COMMANDS)
def test_json_output_is_one_object(
    command: str, run: Run, environment_of: Callable[[str], dict[str, str]], files: Path
) -> None:
    finished = run(command, *required_arguments(command, files), "--json", **environment_of(command))
    assert isinstance(json.loads(finished.stdout), dict)
    assert finished.stdout.count("\n") == 1
    assert finished.stderr == ""


@pytest.mark.parametrize("command", COMMANDS)
def test_wrong_usage_ends_with_2_and_prints_the_usage(command: str, run: Run, files: Path) -> None:
    finished = run(command, *required_arguments(command, files), "--no-such-option")
    assert finished.returncode == 2
    assert finished.stdout == ""
    assert "usage:" in finished.stderr
    assert "--no-such-option" in finished.stderr


@pytest.mark.parametrize("command", CHANGING)
def test_an_unreachable_database_ends_with_1_without_traceback(command: str, run: Run, files: Path) -> None:
    finished = run(command, *required_arguments(command, files), DATABASE_URL="postgresql://nobody@127.0.0.1:9/nothing")
    assert finished.returncode == 1
    assert "The database does not answer" in finished.stderr
    assert "Traceback" not in finished.stderr


@pytest.mark.parametrize("command", LOCKING_STREAMS)
def test_ctrl_c_ends_with_130_and_a_message(command: str, start: Start, files: Path) -> None:
    with waiting_for_streams(1) as until_it_waits:
        process = start(command, *required_arguments(command, files))
        until_it_waits()
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=PATIENCE)

    assert process.returncode == 130
    assert "Stopped. What was done stays done" in stderr
    assert "Traceback" not in stderr
    assert stdout == ""


# A backup needs a transaction of its own.
@pytest.mark.parametrize("command", [name for name in CHANGING if name != "backup"])
def test_a_command_can_be_called_from_python(command: str, files: Path) -> None:
    output = StringIO()
    call_command(command, *required_arguments(command, files), "--json", stdout=output)
    assert json.loads(output.getvalue())["dry_run"] is False


def test_a_problem_raises_command_error_with_the_exit_code(db: None, settings: pytest.FixtureRequest) -> None:
    settings.SECRET_KEY = "short"  # type: ignore[attr-defined]
    output = StringIO()
    with pytest.raises(CommandError) as raised:
        call_command("doctor", "--json", stdout=output)
    assert raised.value.returncode == 1
    assert "secret_key_weak" in output.getvalue()
