"""Counts the words that docs/glossary.md says not to use. `python -m tests.glossary --write` records lower counts."""

import json
import re
import subprocess
import sys
from collections import Counter
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
GLOSSARY = ROOT / "docs" / "glossary.md"
RECORD = ROOT / "tests" / "glossary_counts.json"

READ = (".py", ".md", ".html", ".txt", ".js", ".css", ".toml", ".yaml", ".yml", ".in", ".example", "Makefile", "run")
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
def counts() -> dict[str, int]:
    """How often each word not to use occurs, in the texts and the paths of the files."""
    found: Counter[str] = Counter()
    for path in files():
        found += words_of(path.relative_to(ROOT).as_posix()) + words_of(path.read_text("utf-8"))
    return {word: found[word] for word in words_not_to_use()}


def recorded() -> dict[str, int]:
    record: dict[str, int] = json.loads(RECORD.read_text("utf-8"))
    return record


def main(arguments: list[str]) -> int:
    if arguments not in ([], ["--write"]):
        print("usage: python -m tests.glossary [--write]", file=sys.stderr)  # noqa: T201
        return 2
    record = recorded() if RECORD.exists() else {}
    for word, count in counts().items():
        print(f"{word:10} {count:5}  (recorded: {record.get(word, 'none')})")  # noqa: T201
    if arguments == ["--write"]:
        lowered = {word: min(count, record.get(word, count)) for word, count in counts().items()}
        RECORD.write_text(json.dumps(lowered, indent=2) + "\n", "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
