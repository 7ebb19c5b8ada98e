"""Two linters of API documents find nothing in the document of a running service, in either language."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from clients import build
from common.playground import document

pytestmark = pytest.mark.slow

# Fixed by the API. The service finds the right one, because no id, 24 hexadecimal characters, is one of these words.
AMBIGUOUS = {
    ("/api/v1/live-stream-ban/{id}/appeal", "/api/v1/live-stream-ban/bulk/{batchId}"),
    ("/api/v1/live-stream-ban/{id}/appeal", "/api/v1/live-stream-ban/check/{targetUserId}"),
    ("/api/v1/live-stream/{id}/calendar.ics", "/api/v1/live-stream/by-channel/{channelName}"),
    ("/api/v1/notifications/{id}/read", "/api/v1/notifications/device-token/{id}"),
}


@pytest.fixture(scope="module", params=["en", "tr"])
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The document as a service answers it, with addresses of its own."""
    path = tmp_path_factory.mktemp("documents") / f"openapi-{request.param}.json"
    described = document(request.param, "https://dev.kumanda.test", "https://kumanda.test")
    path.write_text(json.dumps(described))
    return path


def linted(name: str, document: Path, *options: str) -> Any:
    return json.loads(build.run(build.tool(name), "lint", document, "--format=json", *options, stdout=True))


def test_redocly_finds_nothing(served: Path) -> None:
    problems = linted("redocly", served, "--config=linters/redocly.yaml")["problems"]

    paths = [each for each in problems if each["ruleId"] == "no-ambiguous-paths"]
    others = [(each["ruleId"], each["message"], each["location"][0]["pointer"]) for each in problems]
    assert [each for each in others if each[0] != "no-ambiguous-paths"] == []
    assert {tuple(re.findall(r"`(.*?)`", each["message"])) for each in paths} == AMBIGUOUS


def test_spectral_finds_nothing(served: Path) -> None:
    found = linted("spectral", served, "--quiet", "--ruleset=linters/spectral.yaml")

    assert [(each["code"], each["message"], each["path"]) for each in found] == []
