"""Every call of the commands for operators in the pages about them, and in the operator's book, works."""

import re
import shlex
import subprocess
from pathlib import Path

import pytest
from django.conf import settings

from tests.commands.example_rows import make_role
from tests.commands.test_every_command import files  # noqa: F401 - a fixture
from tests.forking import manage
from tests.patience import PATIENCE

PAGES = ("commands", "queue")
# In this order: some need what earlier ones did. docs/backup.md has a test of its own.
BOOK = (
    ("first-day", "operations", "chores", "upgrading"),
    ("people", "retention", "storage", "audit-trail", "alerts"),
)
CALL = "python manage.py "
# As docs/installing.md asks for, behind a proxy.
PUBLIC = {
    "ALLOWED_HOSTS": "api.example.com",
    "PUBLIC_URL": "https://api.example.com",
    "SECURE": "true",
    "TRUSTED_PROXIES": "127.0.0.1",
}


def lines(*pages: str) -> list[str]:
    texts = [(settings.BASE_DIR / "docs" / f"{page}.md").read_text(encoding="utf-8") for page in pages]
    blocks = re.findall(r"(?ms)^```console\n(.*?)^```", "\n".join(texts))
    return [line.removeprefix("$ ") for block in blocks for line in block.splitlines()]


def result(call: str, folder: Path, environment: dict[str, str]) -> str:
    """The standard output of the call, which must succeed."""
    python, program, *words = shlex.split(call, comments=True)
    assert (python, program) == ("python", "manage.py")
    finished = subprocess.run(
        manage(*words),
        cwd=folder, env=environment, capture_output=True, text=True, timeout=PATIENCE, check=False,
    )  # fmt: skip
    assert finished.returncode == 0, (call, finished.stdout, finished.stderr)
    assert finished.stdout.strip()
    return finished.stdout


def test_the_pages_have_calls_of_each_command_and_nothing_else() -> None:
    assert [line for line in lines(*PAGES) if not line.startswith(CALL)] == []
    assert {shlex.split(call)[2] for call in lines(*PAGES)} == {"streams", "deliveries", "queue"}


@pytest.mark.usefixtures("files")
def test_every_call_of_the_pages_works(place: dict[str, str], tmp_path: Path) -> None:
    """In the order of the pages: one may need what another one did."""
    for call in lines(*PAGES):
        result(call, tmp_path, place)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("pages", BOOK, ids=lambda pages: pages[0])
@pytest.mark.usefixtures("pictures")
def test_every_call_of_the_book_works(pages: tuple[str, ...], place: dict[str, str], tmp_path: Path) -> None:
    """Apart from those with `…` for a value that nobody can know."""
    make_role("kumanda_service")
    calls = [line for line in lines(*pages) if line.startswith(CALL) and "…" not in line]
    assert len(calls) > 15
    outputs = {call: result(call, tmp_path, place | PUBLIC) for call in calls}

    if "first-day" in pages:
        text = (settings.BASE_DIR / "docs" / "first-day.md").read_text(encoding="utf-8")
        for command in ("check --deploy", "doctor"):
            assert f"`{outputs[CALL + command].strip()}`" in text
