"""The README is right: its tour runs line by line with a demo, and its links exist."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings

from tests.patience import PATIENCE
from tests.servers import free_port, without_database_url

README = (Path(settings.BASE_DIR) / "README.md").read_text()
MARK = "@@ next command @@"


def tour() -> list[tuple[str, str]]:
    """The commands of the tour, each with its expected output."""
    text = README.partition("## A tour of five minutes")[2].partition("\n## ")[0]
    steps: list[tuple[str, str]] = []
    for block in re.findall(r"```console\n(.*?)```", text, re.DOTALL):
        joined = block.replace("\\\n", "\\\0")
        for line in joined.splitlines(keepends=True):
            if line.startswith("$ "):
                steps.append((line[2:].replace("\0", "\n"), ""))
            else:
                steps[-1] = (steps[-1][0], steps[-1][1] + line)
    return steps


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Start a demo as `make demo` does. Yields its address."""
    data = tmp_path_factory.mktemp("demo")
    with subprocess.Popen(
        [sys.executable, "manage.py", "demo", "--json", "--port", str(free_port()), "--data", str(data)],
        cwd=settings.BASE_DIR,
        env=without_database_url(),
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())["url"]
        process.terminate()


def test_the_tour_prints_the_output_that_the_readme_shows(demo: str, tmp_path: Path) -> None:
    steps = tour()
    assert len(steps) > 20
    script = "".join(f"echo '{MARK}'\n{command}" for command, _ in steps)
    script = script.replace("http://localhost:8000", demo).replace("/tmp/", f"{tmp_path}/")

    run = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=PATIENCE, check=False)

    assert run.stderr == ""
    outputs = run.stdout.split(f"{MARK}\n")[1:]
    assert len(outputs) == len(steps)
    for (command, expected), output in zip(steps, outputs, strict=True):
        pattern = ".+".join(re.escape(part) for part in expected.split("…"))
        assert re.fullmatch(pattern, output), f"{command}printed\n{output}and the README says\n{expected}"


def test_every_picture_and_page_that_the_readme_links_to_exists() -> None:
    links = re.findall(r"\]\(([^)#]+)\)", README)

    assert len(links) > 4
    for link in links:
        assert (Path(settings.BASE_DIR) / link).exists(), link


def test_the_first_two_commands_are_demo_and_test() -> None:
    first = re.search(r"```console\n(.*?)```", README, re.DOTALL)

    assert first is not None
    assert first[1].split("\n")[:2] == ["make demo", "make test"]
