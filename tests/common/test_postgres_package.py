"""common.postgres does not depend on this project: it imports nothing of it and reads no settings."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from common import postgres

PACKAGE = Path(postgres.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))
OURS = {path.parent.name for path in PACKAGE.parents[1].glob("*/__init__.py")}


def imported(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports hide what is imported"
            yield from (f"{node.module}.{name.name}" for name in node.names)


def is_foreign(module: str) -> bool:
    return module.partition(".")[0] not in OURS or module.startswith("common.postgres.")


def test_the_scan_of_imports_finds_them() -> None:
    assert {"common", "accounts", "config", "tests"} <= OURS
    assert len(MODULES) > 3
    assert not is_foreign("common.fields.OBJECT_ID")


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.name)
def test_it_imports_nothing_of_this_project(module: Path) -> None:
    names = set(imported(module.read_text()))
    assert {name for name in names if not is_foreign(name)} == set()
    assert "django.conf.settings" not in names
