"""Files, headings and definitions that pages and comments name exist, and the index of decisions is complete."""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings

from tests.glossary import files

ROOT = Path(settings.BASE_DIR)
PAGES = [path for path in files() if path.suffix == ".md"]
APPS = "accounts|bans|benchmarks|common|config|deploy|docs|edges|livestreams|reminders|tests"
# Pages about the past may name files that no longer exist.
PAST = {"CHANGELOG.md", "docs/decisions/0012-bodies-before-threads.md"}
# A path from the root of the checkout that is not the end of a longer path.
NAMED = re.compile(rf"(?<![\w/.:{{}}-])(?:{APPS})/[\w/-]+\.(?:py|md|yaml|yml|toml|in|lock|conf|service)\b")
# `NAME` in `folder/file.py`: one name or several, and the file or package that defines them.
PLACED = re.compile(rf"((?:`[\w.]+`(?:, | and | or )?)+) (?:in|of) `((?:{APPS})/[\w/]+(?:\.py)?)`")


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_the_files_that_a_page_links_to_exist(page: Path) -> None:
    links = re.findall(r"\]\(([^)\s]+)\)", page.read_text("utf-8"))
    inside = [link.partition("#")[0] for link in links if not re.match(r"[a-z]+:", link)]
    assert [link for link in inside if link and not (page.parent / link).exists()] == []


def anchors_of(page: Path) -> set[str]:
    """The anchors that GitHub gives to the headings of a page: equal headings get numbers."""
    text = re.sub(r"(?ms)^```.*?^```", "", page.read_text("utf-8"))
    seen: Counter[str] = Counter()
    anchors = set()
    for heading in re.findall(r"(?m)^#{1,6} (.+)$", text):
        words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).strip().lower()
        anchor = re.sub(r"[^\w\- ]", "", words).replace(" ", "-")
        anchors.add(f"{anchor}-{seen[anchor]}" if seen[anchor] else anchor)
        seen[anchor] += 1
    return anchors


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_the_headings_that_a_page_links_to_exist(page: Path) -> None:
    links = re.findall(r"\]\(((?![a-z]+:)[^)\s#]*)#([^)\s]+)\)", page.read_text("utf-8"))
    targets = [(page.parent / name if name else page, anchor) for name, anchor in links]
    missing = [f"{path.name}#{anchor}" for path, anchor in targets if anchor not in anchors_of(path)]
    assert missing == []


def test_files_that_are_named_exist() -> None:
    def missing() -> Iterator[str]:
        for path in files():
            if name_of(path) in PAST:
                continue
            for named in NAMED.findall(path.read_text("utf-8")):
                if not (ROOT / named).exists():
                    yield f"{name_of(path)} names {named}"

    assert list(missing()) == []


def defines(place: Path, name: str) -> bool:
    """Whether the file, or one of the package, has a function, class, attribute or constant of this name."""
    definition = re.compile(rf"(?m)^\s*(?:(?:async )?def |class ){name}\b|^\s*{name}(?:: [^=\n]+)? =")
    paths = place.rglob("*.py") if place.is_dir() else [place]
    return any(definition.search(path.read_text("utf-8")) for path in paths)


def test_the_names_that_a_page_places_in_a_file_are_defined_there() -> None:
    placed = [
        (page, name.rpartition(".")[2], place)
        for page in PAGES
        if name_of(page) not in PAST
        for names, place in PLACED.findall(page.read_text("utf-8"))
        for name in re.findall(r"`([\w.]+)`", names)
    ]
    assert len(placed) > 50
    missing = [
        f"{name_of(page)} names {name} of {place}" for page, name, place in placed if not defines(ROOT / place, name)
    ]
    assert missing == []


def test_the_architecture_lists_every_decision_with_its_title() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    listed = re.findall(r"(?m)^\| \[(\d+)\]\(decisions/(\S+?)\) \| (.+?) \|$", page)
    written = []
    for path in sorted((ROOT / "docs" / "decisions").glob("*.md")):
        number, title = re.match(r"# (\d+)\. (.+)", path.read_text("utf-8")).groups()  # type: ignore[union-attr]
        written.append((number, path.name, title))
    assert listed == written
    assert [int(number) for number, _, _ in written] == list(range(1, len(written) + 1)), "numbers have no gaps"
