"""Every call of the commands for operators in the pages about them works."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings

from tests.commands.test_every_command import files  # noqa: F401 - a fixture
from tests.patience import PATIENCE

PAGES = ("commands", "queue")


def calls() -> list[str]:
    texts = [(settings.BASE_DIR / "docs" / f"{page}.md").read_text(encoding="utf-8") for page in PAGES]
    blocks = re.findall(r"(?ms)^```console\n(.*?)^```", "\n".join(texts))
    return [line for block in blocks for line in block.splitlines()]


def test_the_pages_have_calls_of_each_command() -> None:
    assert {shlex.split(call)[2] for call in calls()} == {"streams", "deliveries", "queue"}


@pytest.mark.usefixtures("files")
def test_every_call_of_the_pages_works(place: dict[str, str], tmp_path: Path) -> None:
    """In the order of the pages: one may need what another one did."""
    for call in calls():
        python, manage, *words = shlex.split(call)
        assert (python, manage) == ("python", "manage.py")
        finished = subprocess.run(
            [sys.executable, settings.BASE_DIR / manage, *words],
            cwd=tmp_path, env=place, capture_output=True, text=True, timeout=PATIENCE, check=False,
        )  # fmt: skip
        assert finished.returncode == 0, (call, finished.stderr)
        assert finished.stdout.strip()
