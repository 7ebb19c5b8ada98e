"""Rules for texts that people write: normal form, control characters, direction, visibility, folding for search.

Unicode Standard Annexes 9 (direction) and 15 (normal forms); the data are those of Python's `unicodedata`.
"""

import unicodedata
from collections.abc import Mapping
from enum import StrEnum
from functools import lru_cache

from django.utils.translation import get_language_bidi
from django.utils.translation import gettext_lazy as _

from common.refusals import Text

FIRST_STRONG_ISOLATE, POP_ISOLATE = "\u2068", "\u2069"
_ISOLATES = frozenset("\u2066\u2067\u2068")
# Embeddings and overrides: Unicode advises against them, and an unclosed one changes the direction of what follows.
_EMBEDDINGS = frozenset("\u202a\u202b\u202c\u202d\u202e")
_LINE_LAYOUT = frozenset("\t\n")
# Assigned characters of other categories that show nothing: Hangul fillers, the empty Braille pattern, the object
# replacement character, the null note head, and the blanks of Egyptian hieroglyphs.
_EMPTY = frozenset("\u115f\u1160\u3164\uffa0\u2800\ufffc\U0001d159\U00013441\U00013442")
# Unassigned, and reserved for characters that show nothing (Default_Ignorable_Code_Point).
_RESERVED_EMPTY = (range(0x2065, 0x2066), range(0xFFF0, 0xFFF9), range(0xE0000, 0xE1000))

# NFC makes at most four code points one (a Greek vowel with three marks), so what is longer than this many times the
# limit is too long in any form.
LONGEST_DECOMPOSITION = 4


class Rule(StrEnum):
    CONTROL = "control"
    LAYOUT = "layout"
    EMBEDDING = "embedding"
    ISOLATE = "isolate"
    INVISIBLE = "invisible"


RULES: Mapping[str, Text] = {
    Rule.CONTROL: _("must not have line breaks or control characters, such as {sign}"),
    Rule.LAYOUT: _("must not have control characters other than line breaks and tabs, such as {sign}"),
    Rule.EMBEDDING: _("must not have embeddings or overrides of the direction of writing, such as {sign}"),
    Rule.ISOLATE: _("must close each isolate of the direction of writing (U+2066 to U+2068) with U+2069"),
    Rule.INVISIBLE: _("must have at least one visible character"),
}


# --- the two rules --------------------------------------------------------------------------------


def normalized_line(text: str) -> str:
    """One line as it is stored: in NFC, without space at its ends."""
    return unicodedata.normalize("NFC", text).strip()


def normalized_lines(text: str) -> str:
    """Several lines as they are stored: like `normalized_line`, and each line break is LF."""
    return normalized_line(text.replace("\r\n", "\n").replace("\r", "\n"))


def broken_rule(text: str, *, many_lines: bool = False) -> tuple[Rule, str] | None:
    """The first rule that a normalized text breaks, and the code point that breaks it ("" when none does alone)."""
    for sign in text:
        if sign in _EMBEDDINGS:
            return Rule.EMBEDDING, _code_point(sign)
        if _is_control(sign) and not (many_lines and sign in _LINE_LAYOUT):
            return Rule.LAYOUT if many_lines else Rule.CONTROL, _code_point(sign)
    if not all(map(_is_balanced, text.split("\n"))):
        return Rule.ISOLATE, ""
    return None if any(map(is_visible, text)) else (Rule.INVISIBLE, "")


def fitted_line(text: str, *, longest: int) -> str:
    """A valid line made of a text that nobody can correct, from another system; "" if nothing visible remains."""
    kept = "".join(" " if _is_control(sign) else sign for sign in text if not _directs(sign))
    line = normalized_line(kept)[:longest].rstrip()
    return line if any(map(is_visible, line)) else ""


def is_visible(sign: str) -> bool:
    """Whether a character is visible by itself: no space, format character or combining mark.

    An unassigned code point may be a new emoji that the sender's device has.
    """
    category = unicodedata.category(sign)
    if category == "Cn":
        return not (_is_noncharacter(ord(sign)) or any(ord(sign) in reserved for reserved in _RESERVED_EMPTY))
    return category[0] in "LNPS" and sign not in _EMPTY


def _is_control(sign: str) -> bool:
    """Controls, separators of lines and paragraphs, halves of surrogate pairs, and what is no character."""
    return unicodedata.category(sign) in {"Cc", "Zl", "Zp", "Cs"} or _is_noncharacter(ord(sign))


def _is_noncharacter(code: int) -> bool:
    return code & 0xFFFE == 0xFFFE or 0xFDD0 <= code <= 0xFDEF


def _is_balanced(line: str) -> bool:
    """Whether isolates are closed where they were opened; the end of a line closes what is open (UAX 9, X8)."""
    depth = 0
    for sign in line:
        if sign in _ISOLATES:
            depth += 1
        elif sign == POP_ISOLATE:
            depth -= 1
            if depth < 0:
                return False
    return depth == 0


def _directs(sign: str) -> bool:
    return sign in _EMBEDDINGS or sign in _ISOLATES or sign == POP_ISOLATE


def _code_point(sign: str) -> str:
    return f"U+{ord(sign):04X}"


# --- texts inside sentences -----------------------------------------------------------------------

# Bidirectional classes that change nothing in a sentence that is written from left to right.
_LEFT_TO_RIGHT = frozenset({"L", "EN", "ES", "ET", "CS", "NSM", "BN", "B", "S", "WS", "ON"})


def isolated(text: str) -> str:
    """`text` as it goes into a sentence: its direction of writing changes nothing outside it (UAX 9, section 2.7).

    It is returned unchanged if it needs no isolates: no character of it is written from right to left or controls the
    direction, and the sentence, in the active language, is written from left to right.
    """
    if not get_language_bidi() and (text.isascii() or all(map(_is_left_to_right, text))):
        return text
    # Text from before the rules may close this isolate, or leave one of its own unclosed.
    inside = text if all(map(_is_balanced, text.split("\n"))) else "".join(c for c in text if not _directs(c))
    return f"{FIRST_STRONG_ISOLATE}{inside}{POP_ISOLATE}"


def _is_left_to_right(sign: str) -> bool:
    return unicodedata.bidirectional(sign) in _LEFT_TO_RIGHT


# --- folding for search ---------------------------------------------------------------------------

# Letters that Unicode does not decompose into a letter and a mark.
_WITHOUT_STROKE = {"ı": "i", "ł": "l", "ø": "o", "đ": "d", "ħ": "h", "ŧ": "t", "æ": "ae", "œ": "oe"}
# Marks that people leave out when they type: accents of Latin, Greek and Cyrillic, points of Hebrew, vowels of Arabic.
# Those of other scripts are vowels and consonants of their own.
_OPTIONAL_MARKS = (
    range(0x0300, 0x0370), range(0x0483, 0x048A), range(0x0591, 0x05C8), range(0x0610, 0x061B),
    range(0x064B, 0x0660), range(0x0670, 0x0671), range(0x06D6, 0x06EE), range(0x08CA, 0x0900),
    range(0x1AB0, 0x1B00), range(0x1DC0, 0x1E00), range(0x20D0, 0x2100), range(0xFE20, 0xFE30),
)  # fmt: skip
# Invisible marks, beside the format characters and the fillers: variation selectors, and those of Mongolian and Khmer.
_INVISIBLE_MARKS = (range(0x17B4, 0x17B6), range(0x180B, 0x1810), range(0xFE00, 0xFE10), range(0xE0100, 0xE01F0))


def folded(text: str) -> str:
    """`text` as it is searched: without case and optional marks, so that "isik" finds "IŞIK", "ışık" and "Işık".

    Each character is folded by itself, so a substring folds to a substring of the folded text. The result is up to 18
    times as long as `text`. It is "" only for texts of nothing but spaces, marks and invisible characters.
    """
    letters = text.lower() if text.isascii() else "".join(map(_folded, unicodedata.normalize("NFD", text)))
    return " ".join(letters.split())


@lru_cache(maxsize=8192)
def _folded(sign: str) -> str:
    """Compatibility caseless matching (Unicode, section 3.13, D146), without what is left out in a search."""
    wide = unicodedata.normalize("NFKD", sign.casefold())
    wide = unicodedata.normalize("NFKD", wide.casefold())
    if wide.startswith(" ") and not sign.isspace():
        wide = sign  # an accent that stands alone: without its mark it would be a space
    return "".join(_WITHOUT_STROKE.get(part, part) for part in wide if not _is_left_out(part))


def _is_left_out(sign: str) -> bool:
    category, code = unicodedata.category(sign), ord(sign)
    if category == "Cf" or sign in _EMPTY:
        return True
    if category[0] != "M":
        return False
    return any(code in some for some in _OPTIONAL_MARKS) or any(code in some for some in _INVISIBLE_MARKS)
