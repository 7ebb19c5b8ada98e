"""What a reader sees or hears of a page: texts, and the attributes that browsers show or read aloud."""

import re
from collections.abc import Collection
from html.parser import HTMLParser

SHOWN_ATTRIBUTES = ("title", "placeholder", "aria-label", "aria-description", "aria-roledescription", "alt", "label")
UNSEEN = {"script", "style", "code", "kbd"}  # code and keys are the same in every language
VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
BUTTONS = {"submit", "button", "reset"}

ICON = "material-symbols-outlined"
LETTER = re.compile(r"[^\W\d_]")
ID = re.compile(r"\b[0-9a-f]{24}\b|\b[0-9a-f]{32}\b")


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.texts: list[str] = []
        self._parts: list[str] = []
        self._hidden: list[str] = []  # open elements, from the outermost one that nobody sees

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self._end_text()
        if self._hidden:
            if tag not in VOID:
                self._hidden.append(tag)
            return
        if given.get("aria-hidden") == "true" or tag in UNSEEN or given.get("translate") == "no":
            if tag not in VOID:
                self._hidden.append(tag)
            return
        for name in SHOWN_ATTRIBUTES:
            self._add(given.get(name))
        if ICON in (given.get("class") or "").split() and given.get("aria-label"):
            self._hidden.append(tag)  # the label replaces the word of the icon
        if tag == "input" and given.get("type") in BUTTONS:
            self._add(given.get("value"))

    def handle_endtag(self, tag: str) -> None:
        self._end_text()
        if tag in self._hidden:
            while self._hidden.pop() != tag:
                pass

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self._parts.append(data)

    def close(self) -> None:
        super().close()
        self._end_text()

    def _end_text(self) -> None:
        self._add("".join(self._parts))
        self._parts = []

    def _add(self, text: str | None) -> None:
        if text and (shown := " ".join(text.split())):
            self.texts.append(shown)


def texts_of(page: str) -> list[str]:
    """All texts of an HTML page in their order. Icons are not texts: they are hidden with `aria-hidden`."""
    reader = _Reader()
    reader.feed(page)
    reader.close()
    return reader.texts


def without(data: Collection[str]) -> re.Pattern[str]:
    """Matches ids and whole words of `data`, the longest first."""
    longest = sorted(data, key=len, reverse=True)
    return re.compile(ID.pattern + "".join(rf"|(?<!\w){re.escape(known)}(?!\w)" for known in longest))


def has_words(text: str, data: re.Pattern[str]) -> bool:
    """Whether letters are left when what `data` matches is taken away."""
    return LETTER.search(data.sub(" ", text)) is not None
