"""docs/doctor.md describes each code that `doctor` can report, once, and no other; a test expects each."""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings

from tests.doctor.faults import FAULTS

ROOT = Path(settings.BASE_DIR)
PAGE = ROOT / "docs" / "doctor.md"
APPS = ("common", "accounts", "livestreams", "edges", "bans", "reminders", "config")
# A finding is made by a call whose first argument is its code. `find` and `worse_in_public` are one of the first two.
MAKERS = {"error", "warning", "find", "worse_in_public", "Finding", "Problem"}
CODE = re.compile(r"[a-z]+(_[a-z]+)+")


def codes_in(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Call(func=ast.Name(id=name), args=[ast.Constant(value=str(code)), _, *_]) if name in MAKERS:
                yield code


def sources() -> Iterator[Path]:
    for app in APPS:
        yield from (ROOT / app).rglob("*.py")


@pytest.fixture(scope="module")
def codes() -> set[str]:
    found = {code for path in sources() for code in codes_in(path.read_text("utf-8"))}
    assert all(map(CODE.fullmatch, found))
    return found


def described() -> Counter[str]:
    """The codes in the first column of the tables."""
    rows = re.findall(r"(?m)^\| (`.+?) \|", PAGE.read_text("utf-8"))
    return Counter(code for row in rows for code in re.findall(r"`(\w+)`", row))


def test_the_page_describes_each_code_once_and_no_other(codes: set[str]) -> None:
    on_page = described()
    assert {"not described": codes - set(on_page), "unknown": set(on_page) - codes} == {
        "not described": set(),
        "unknown": set(),
    }
    assert set(on_page.values()) == {1}


def test_each_code_is_expected_by_a_test(codes: set[str]) -> None:
    texts = [path.read_text("utf-8") for path in (ROOT / "tests").rglob("*.py")]
    assert {code for code in codes if not any(f'"{code}"' in text for text in texts)} == set()


def test_the_planted_faults_have_codes_of_the_page(codes: set[str]) -> None:
    planted = {code for _, code in FAULTS.values()}
    assert planted <= codes
    assert len(planted) >= 25


def test_codes_are_found_in_the_source() -> None:
    source = 'def examine():\n    yield error("one_code", "meaning", "remedy")\n    print("no_code")\n'
    assert list(codes_in(source)) == ["one_code"]
