"""The examples of docs/backup.md are run in their order: first on an installation, then on its restored copy."""

import re
import subprocess
from pathlib import Path

import pytest
from django.conf import settings

from accounts.models import User
from tests.commands.backups import empty_database, names_in, pictured_stream, target
from tests.commands.example_rows import make_role
from tests.commands.test_examples_of_pages import CALL, result

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("pictures")]
PAGE = Path(settings.BASE_DIR) / "docs" / "backup.md"
ROLE = "kumanda_service"


def examples() -> tuple[list[str], list[str]]:
    """The calls in the console blocks: those before the heading of restoring, and those after it."""
    before, _, after = PAGE.read_text("utf-8").partition("\n## Restoring\n")
    return _console(before), _console(after)


def _console(text: str) -> list[str]:
    blocks = re.findall(r"(?ms)^ *```console\n(.+?)^ *```$", text)
    lines = [line.strip() for block in blocks for line in block.splitlines()]
    return [line for line in lines if line.startswith(CALL)]


@pytest.mark.timeout(600)
def test_the_examples_of_the_page_work(creator: User, place: dict[str, str], tmp_path: Path) -> None:
    backing_up, restoring = examples()
    assert (len(backing_up), len(restoring)) == (3, 6)
    make_role(ROLE)
    pictured_stream(creator)
    place["BACKUP_FOLDER"] = str(tmp_path / "backups")

    for example in backing_up:
        result(example, settings.BASE_DIR, place)
    (name,) = names_in(tmp_path / "backups")
    with empty_database() as url:
        for example in restoring:
            result(example, settings.BASE_DIR, place | target(url, tmp_path))

    checked = subprocess.run(
        ["sha256sum", "--check", "SHA256SUMS"], cwd=tmp_path / "backups" / name, capture_output=True, check=False
    )
    assert checked.returncode == 0
    assert "`sha256sum --check SHA256SUMS`" in PAGE.read_text("utf-8")
