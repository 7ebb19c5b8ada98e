"""While a backup runs, no stored file is removed or renamed: each function that does it looks at the lock first."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings

from tests.common.test_locks import SOURCES

CHANGES = {"storage().move", "storage().delete", "forget"}
# Functions that need not look, and why.
EXEMPT = {
    "common/storage/__init__.py forget": "its callers look",
    "common/storage/__init__.py _forget_if_undone": "no committed row names the files",
    "common/storage/__init__.py forget_unless_backed_up": "looks itself, and defers a job",
    "common/storage/probing.py problems": "it made the file",
}


def calls_in(function: ast.AST) -> set[str]:
    return {ast.unparse(node.func) for node in ast.walk(function) if isinstance(node, ast.Call)}


def functions_that_change_files(path: Path) -> Iterator[tuple[str, set[str]]]:
    """The functions, each with what it calls."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and (calls := calls_in(node)) & CHANGES:
            yield f"{path.relative_to(settings.BASE_DIR)} {node.name}", calls


FOUND = dict(found for path in SOURCES for found in functions_that_change_files(path))


@pytest.mark.parametrize("name", sorted(FOUND.keys() - EXEMPT.keys()))
def test_what_changes_files_looks_at_the_lock_of_backups(name: str) -> None:
    assert "refuse_while_running" in FOUND[name]


def test_exemptions_are_needed() -> None:
    assert EXEMPT.keys() <= FOUND.keys()
