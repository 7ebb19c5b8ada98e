"""Rules of the project that no other tool checks: `common` has no domain terms, and every text is translated."""

import re
from collections.abc import Iterator
from gettext import GNUTranslations
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po
from django.conf import settings

ROOT = Path(settings.BASE_DIR)
TURKISH = ROOT / "locale" / "tr" / "LC_MESSAGES"

# Domain terms. `common` must not contain them, so that it could be copied to another project unchanged.
DOMAIN = re.compile(
    r"\b(live_?streams?|streams|bans?|banned|reminders?|viewers?|guests?|creators?|kumanda|moderators?)\b", re.I
)


def files_of_common() -> Iterator[Path]:
    for pattern in ("*.py", "*.html", "*.js", "*.css"):
        yield from (ROOT / "common").rglob(pattern)


@pytest.mark.parametrize("path", sorted(files_of_common()), ids=lambda path: str(path.relative_to(ROOT)))
def test_common_contains_no_domain_terms(path: Path) -> None:
    found = [line for line in path.read_text().splitlines() if DOMAIN.search(line)]
    assert found == []


LONGEST_FILE = 400  # lines
GENERATED = {
    ROOT / "benchmarks" / "results",  # reports have a line for each list
    ROOT / "clients" / "node_modules",
    ROOT / "clients" / "dist",
    ROOT / "clients" / "python" / "kumanda_client" / "api",
    ROOT / "clients" / "python" / "kumanda_client" / "models",
    ROOT / "clients" / "typescript" / "dist",
    ROOT / "clients" / "typescript" / "src" / "schema.ts",
}


def files_written_by_hand() -> Iterator[Path]:
    for folder in (each for each in ROOT.iterdir() if each.is_dir() and each.name[0] != "." and each.name != "locale"):
        for path, folders, names in folder.walk():
            folders[:] = [name for name in folders if path / name not in GENERATED]
            yield from (path / name for name in names if path / name not in GENERATED)


def test_no_file_is_too_long() -> None:
    kinds = {".py", ".md", ".js", ".css", ".html", ".ts"}
    files = [path for path in files_written_by_hand() if path.suffix in kinds]
    assert len(files) > 500
    lengths = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in files}
    assert {name: length for name, length in lengths.items() if length > LONGEST_FILE} == {}


def catalogue() -> Catalog:
    with (TURKISH / "django.po").open("rb") as file:
        return read_po(file, locale="tr")


def test_every_text_of_the_source_is_translated_to_turkish() -> None:
    keywords: dict[str, tuple[int | tuple[int, str], ...] | None] = {
        "_": None,
        "gettext": None,
        "gettext_lazy": None,
        "ngettext": (1, 2),
        "ngettext_lazy": (1, 2),
        "pgettext_lazy": ((1, "c"), 2),
    }
    known = catalogue()
    for app in ("accounts", "bans", "common", "config", "edges", "livestreams", "reminders"):
        for file, _, message, _, context in extract_from_dir(
            ROOT / app, method_map=[("**.py", "python")], keywords=keywords
        ):
            text = message if isinstance(message, str) else message[0]
            translated = known.get(text, context)
            assert translated is not None, f"run make messages: {app}/{file}: {text!r}"
            strings = [translated.string] if isinstance(translated.string, str) else translated.string
            assert all(strings or [""]), f"no Turkish for {text!r} of {app}/{file}"


def test_a_translation_has_the_placeholders_of_its_text() -> None:
    holes = re.compile(r"%\(\w+\)[sd]|\{\w*\}")
    for message in catalogue():
        if isinstance(message.id, str) and message.id:
            assert sorted(holes.findall(message.id)) == sorted(holes.findall(str(message.string))), message.id


def test_the_compiled_catalogue_is_up_to_date() -> None:
    with (TURKISH / "django.mo").open("rb") as file:
        compiled = GNUTranslations(file)
    for message in catalogue():
        if isinstance(message.id, str):
            read = compiled.pgettext(message.context, message.id) if message.context else compiled.gettext(message.id)
            assert not message.id or read == message.string, f"run make messages: {message.id}"
        else:
            one, many = message.id
            assert compiled.ngettext(one, many, 1) == (message.string or "")[0], f"run make messages: {message.id}"


def test_the_example_environment_lists_every_setting_that_is_read() -> None:
    settings = "".join(path.read_text() for path in (ROOT / "config").glob("*.py"))
    read = set(re.findall(r'(?:env\.\w+|_days|_number|_shown)\(\s*"([A-Z_]+)"', settings)) | set(
        re.findall(r'"(OTEL_\w+)"', settings)
    )
    named = set(re.findall(r"^([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.M))
    assert read == named


def test_lock_files_name_no_index_and_the_example_environment_contains_no_secret() -> None:
    for name in ("requirements/run.lock", "requirements/dev.lock", "requirements/bench.lock"):
        text = (ROOT / name).read_text()
        assert "://" not in re.sub(r"(?m)^\s*#.*$", "", text), name
        assert "--hash=sha256:" in text
    example = (ROOT / ".env.example").read_text()
    assert re.search(r"^SECRET_KEY=$", example, re.M)
    assert re.search(r"^JWT_SIGNING_KEY=$", example, re.M)
