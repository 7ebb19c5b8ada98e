"""Two linters of API documents find nothing, in either language."""

import json
from pathlib import Path

import pytest

from clients import build

pytestmark = pytest.mark.slow

DOCUMENTS = sorted(build.DOCUMENT.parent.glob("openapi*.yaml"))


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.stem)
def test_redocly_finds_nothing(document: Path) -> None:
    found = build.run(
        build.tool("redocly"), "lint", document, "--format=json", "--config=linters/redocly.yaml", stdout=True
    )

    problems = json.loads(found)["problems"]
    assert [(each["ruleId"], each["message"], each["location"][0]["pointer"]) for each in problems] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.stem)
def test_spectral_finds_nothing(document: Path) -> None:
    found = build.run(
        build.tool("spectral"), "lint", document, "--format=json", "--ruleset=linters/spectral.yaml", stdout=True
    )

    assert [(each["code"], each["message"], each["path"]) for each in json.loads(found)] == []
