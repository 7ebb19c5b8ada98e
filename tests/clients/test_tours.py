"""Both clients run the tour of the README, and the lines of their own READMEs work as they stand."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from clients import build
from tests.patience import PATIENCE
from tests.test_readme import demo, tour

__all__ = ["demo"]  # a fixture

pytestmark = pytest.mark.slow

LANGUAGES = {
    "python": (build.PYTHON, [sys.executable, "examples/tour.py"], [sys.executable, "-c"]),
    "typescript": (
        build.TYPESCRIPT,
        [str(build.BIN / "node"), "examples/tour.ts"],
        [str(build.BIN / "node"), "--input-type=module-typescript", "--eval"],
    ),
}


def printed(folder: Path, *command: str) -> str:
    """What the command prints. The Python client is imported from the built wheel."""
    (wheel,) = build.PACKAGES.glob("*.whl")
    run = subprocess.run(
        command,
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(wheel), "PYTHONSAFEPATH": "1"},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert (run.returncode, run.stderr) == (0, "")
    return run.stdout


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_client_runs_the_tour_of_the_readme(demo: str, language: str) -> None:
    folder, run_tour, _ = LANGUAGES[language]
    expected = "".join(output for _, output in tour())

    output = printed(folder, *run_tour, demo)

    pattern = ".+".join(re.escape(part) for part in expected.split("…"))
    assert re.fullmatch(pattern, output), f"printed\n{output}and the README says\n{expected}"


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_first_example_of_the_client_works_as_it_stands(demo: str, language: str) -> None:
    folder, _, run_lines = LANGUAGES[language]
    readme = (folder / "README.md").read_text()
    example = re.search(rf"```{language}\n(.*?)```\n\n```text\n(.*?)```", readme, re.DOTALL)
    assert example is not None
    lines, expected = example.groups()
    assert len(lines.splitlines()) <= 12
    # The type checkers see the same lines in this file.
    (checked,) = (folder / "examples").glob("first.*")
    assert checked.read_text() == lines

    output = printed(folder, *run_lines, lines.replace("http://localhost:8000", demo))

    assert re.fullmatch(".+".join(re.escape(part) for part in expected.split("…")), output), output
