"""The Turkish words of the platform, in every text of the service: see docs/glossary.md."""

import re
from pathlib import Path

import pytest
from babel.messages.pofile import read_po
from django.conf import settings

ROOT = Path(settings.BASE_DIR)
CATALOGUES = sorted((ROOT / "locale").rglob("tr/LC_MESSAGES/django.po"))
OTHER_TEXTS = sorted([*(ROOT / "docs" / "guides" / "tr").glob("*.md"), *(ROOT / "config" / "examples").glob("*.json")])
# What moderators and viewers say is ban, banla, banı kaldır.
NOT_SAID = re.compile(r"\byasa[kğ]", re.IGNORECASE)
# Beside an appeal these read as granting it; a ban is upheld with "banı sürdür".
GRANTING = re.compile(r"\bonay", re.IGNORECASE)


def turkish_of(catalogue: Path) -> dict[str, str]:
    with catalogue.open("rb") as file:
        found = read_po(file, locale="tr")
    return {str(m.id): m.string if isinstance(m.string, str) else " ".join(m.string or ()) for m in found if m.id}


@pytest.mark.parametrize("catalogue", CATALOGUES, ids=lambda path: path.parts[-4])
def test_the_catalogue_says_ban(catalogue: Path) -> None:
    assert {text: turkish for text, turkish in turkish_of(catalogue).items() if NOT_SAID.search(turkish)} == {}


def test_guides_and_recorded_examples_say_ban() -> None:
    assert len(OTHER_TEXTS) > 50
    assert [path.name for path in OTHER_TEXTS if NOT_SAID.search(path.read_text("utf-8"))] == []


def test_nothing_about_bans_reads_as_granting_an_appeal() -> None:
    texts = turkish_of(ROOT / "locale" / "tr" / "LC_MESSAGES" / "django.po")
    about_bans = {
        text: turkish for text, turkish in texts.items() if re.search(r"uph[eo]ld|keep the ban|deny", text, re.I)
    }
    assert len(about_bans) >= 4
    assert {text: turkish for text, turkish in about_bans.items() if GRANTING.search(turkish)} == {}
