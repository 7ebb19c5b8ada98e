"""Finds the words that docs/glossary.md says not to use."""

import re
import subprocess
from collections import Counter
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
GLOSSARY = ROOT / "docs" / "glossary.md"

READ = (
    ".py",
    ".ts",
    ".md",
    ".html",
    ".txt",
    ".js",
    ".css",
    ".toml",
    ".yaml",
    ".yml",
    ".in",
    ".example",
    ".conf",
    ".service",
    "Containerfile",
    "Makefile",
    "run",
)
# Generated from code that is read itself; the page that defines the words; this module and its test.
SKIPPED = ("docs/openapi.yaml", "docs/glossary.md", "tests/glossary.py", "tests/test_glossary.py")
# Proper names.
PROPER_NAMES = re.compile(r"deep house", re.I)

# The words of an identifier: take_turn, AT_THE_DOOR, ActForm, doorOpened, HTTPDoor.
WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")


def words_not_to_use() -> list[str]:
    section = GLOSSARY.read_text("utf-8").partition("\n## Do not use\n")[2]
    return [word for row in re.findall(r"(?m)^\| (`.+?) \|", section) for word in re.findall(r"`(\w+)`", row)]


def words_of(text: str) -> Counter[str]:
    return Counter(word.lower() for word in WORD.findall(PROPER_NAMES.sub("", text)))


def files() -> list[Path]:
    """Files of the checkout that Git does not ignore, including new ones."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    names = sorted(name for name in listed.split("\0") if name.endswith(READ) and name not in SKIPPED)
    # Migrations are not rewritten, so they keep old names.
    names = [name for name in names if "/migrations/" not in name]
    return [ROOT / name for name in names if (ROOT / name).is_file()]


@cache
def occurrences() -> dict[str, list[str]]:
    """The files, by their paths, in whose text or path each of the words not to use occurs."""
    found: dict[str, list[str]] = {}
    for path in files():
        name = path.relative_to(ROOT).as_posix()
        words = words_of(name) + words_of(path.read_text("utf-8"))
        for word in words_not_to_use():
            if words[word]:
                found.setdefault(word, []).append(name)
    return found
