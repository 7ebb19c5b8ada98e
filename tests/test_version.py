"""The version is that of pyproject.toml: the API document reads it, and the change log and the clients repeat it."""

import json
import re
import subprocess
import tomllib
from pathlib import Path

import yaml
from django.conf import settings

ROOT = Path(settings.BASE_DIR)
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
# Generated files, the change log, and the packages of the clients, which are published with the service. Lock files
# contain versions of other projects.
NAMED_IN = {"pyproject.toml", "docs/openapi.yaml", "CHANGELOG.md", "clients/python/pyproject.toml"}


def test_the_api_document_has_the_version_of_the_project() -> None:
    assert settings.SPECTACULAR_SETTINGS["VERSION"] == VERSION
    with (ROOT / "docs" / "openapi.yaml").open(encoding="utf-8") as file:
        assert yaml.safe_load(file)["info"]["version"] == VERSION


def test_the_newest_version_of_the_change_log_is_that_of_the_project() -> None:
    headings = re.findall(r"(?m)^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text("utf-8"))
    assert headings[0] == "Unreleased"
    assert headings[1] == VERSION


def test_the_clients_have_the_version_of_the_project() -> None:
    python = tomllib.loads((ROOT / "clients" / "python" / "pyproject.toml").read_text("utf-8"))
    typescript = json.loads((ROOT / "clients" / "typescript" / "package.json").read_text("utf-8"))
    assert (python["project"]["version"], typescript["version"]) == (VERSION, VERSION)


def test_no_other_file_repeats_the_version() -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    written = re.compile(rf"(?<![\w.]){re.escape(VERSION)}(?![\w.])")
    texts = (".py", ".md", ".toml", ".yaml", ".yml", ".html", ".js", ".example")
    named = {
        name
        for name in listed.split("\0")
        if name.endswith(texts) and (ROOT / name).exists() and written.search((ROOT / name).read_text("utf-8"))
    }
    assert named <= NAMED_IN
