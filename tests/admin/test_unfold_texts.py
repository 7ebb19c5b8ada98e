"""Every text of django-unfold has a Turkish translation, in our catalogue for it or in those of Django."""

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import unfold
from babel.messages.extract import extract
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from django.conf import settings
from django.utils.translation import gettext, ngettext, override, pgettext
from django.utils.translation.template import templatize

UNFOLD = Path(unfold.__file__).parent
CATALOGUE = Path(settings.BASE_DIR) / "locale" / "unfold" / "tr" / "LC_MESSAGES" / "django.po"
# Parts of Unfold for packages that this service does not use. `unfold.contrib.filters` is one that it uses.
NOT_INSTALLED = [
    folder
    for folder in (UNFOLD / "contrib").iterdir()
    if f"unfold.contrib.{folder.name}" not in settings.INSTALLED_APPS
]
KEYWORDS = {
    "_": None,
    "gettext": None,
    "gettext_lazy": None,
    "ngettext": (1, 2),
    "ngettext_lazy": (1, 2),
    "pgettext": ((1, "c"), 2),
    "pgettext_lazy": ((1, "c"), 2),
}

type Text = tuple[str | None, tuple[str, ...]]


def texts_of_unfold() -> Iterator[Text]:
    """The context, and the text with its plural if it has one."""
    for file in sorted(UNFOLD.rglob("*")):
        if file.suffix not in {".py", ".html"} or any(folder in file.parents for folder in NOT_INSTALLED):
            continue
        source = file.read_text("utf-8")
        if file.suffix == ".html":
            # As makemessages does; the rest of the template becomes lines that are no Python and need no indents.
            source = "\n".join(line.lstrip() for line in templatize(source).splitlines())
        for _line, message, _comments, context in extract("python", BytesIO(source.encode()), keywords=KEYWORDS):
            yield context, message if isinstance(message, tuple) else (message,)


def turkish(text: Text) -> str:
    context, (one, *more) = text
    with override("tr"):
        if more:
            return ngettext(one, more[0], 2)
        return pgettext(context, one) if context else gettext(one)


def test_every_text_of_unfold_is_translated() -> None:
    texts = set(texts_of_unfold())
    assert len(texts) > 100
    assert {text for text in texts if turkish(text) in text[1]} == set()


def test_our_catalogue_has_no_text_that_unfold_lost() -> None:
    with CATALOGUE.open("rb") as file:
        known = {
            (message.id,) if isinstance(message.id, str) else message.id for message in read_po(file) if message.id
        }
    assert known - {text for _context, text in texts_of_unfold()} == set()


def test_the_compiled_catalogue_is_up_to_date() -> None:
    compiled = BytesIO()
    with CATALOGUE.open("rb") as source:
        write_mo(compiled, read_po(source, locale="tr"))
    assert compiled.getvalue() == CATALOGUE.with_suffix(".mo").read_bytes(), "run make messages"
