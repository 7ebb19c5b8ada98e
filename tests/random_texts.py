"""Random texts of all scripts and normal forms for property tests, and the parts of them that users search for."""

import unicodedata
from collections.abc import Iterator

from hypothesis import strategies as st

WORDS = (
    "Işık", "İSTANBUL", "Öztürk", "Straße", "ΚΟΣΜΟΣ", "κόσμος", "Ёлка", "विद्या", "क्‍ष", "สวัสดี", "かぎ", "日本語",
    "한국어", "שָׁלוֹם", "مُحَمَّد", "می‌خواهم", "ǅ", "ﬁn", "ŉa", "ΐΰ", "👨‍👩‍👧‍👦", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "🇹🇷", "❤️", "1️⃣", "ᠮᠣᠩᠭᠣᠯ",
    "\u2067שלום\u2069", "\u200eabc\u200f", "%_\\", '"a,b;c"', "<b>&amp;", "'; --", "\\n\\N\\,", "=1+1", "ﷺ", "Z͑ͫ̓ͪ̂ͫ̽͏̴",
)  # fmt: skip
INVISIBLE = "\u200b\u2060\u3164\u2800\u00ad\ufeff\u0301\u115f\u17b4\u034f\u200d\u200c\ufe0f \u00a0\u3000"
CONTROLS = "\0\a\b\x1b\x7f\x85\v\f\u2028\u2029\ufffe\ufdd0"
EMBEDDINGS = "\u202a\u202b\u202d\u202e\u202c"
ISOLATES = "\u2066\u2067\u2068\u2069"

_CHARACTERS = st.characters(exclude_categories=["Cs"])
_PIECES = st.one_of(
    st.sampled_from(WORDS),
    st.text(_CHARACTERS, min_size=1, max_size=4),
    st.sampled_from(INVISIBLE),
    st.sampled_from([" ", "\n", "\r\n", "\t"]),
    st.sampled_from(CONTROLS + EMBEDDINGS + ISOLATES),
)
_FITTING = st.one_of(
    st.sampled_from(WORDS),
    st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=1, max_size=4),
    st.sampled_from(INVISIBLE),
    st.just(" "),
)
_FORMS = st.sampled_from(["NFC", "NFD", "NFKC", "NFKD"])


def _joined(pieces: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    parts = st.lists(pieces, min_size=1, max_size=6).map("".join)
    return st.builds(unicodedata.normalize, _FORMS, parts).map(lambda text: text[:60])


anything = _joined(_PIECES)
# Texts that the rules of one line must accept: no refused character, and at least one visible one.
fitting = st.builds("{}{}".format, st.sampled_from(["a", "ş", "日", "א", "👍"]), _joined(_FITTING)).map(
    lambda text: "".join(sign for sign in text if sign not in ISOLATES)
)
unfitting = st.builds("a{}{}".format, fitting, st.sampled_from(CONTROLS + EMBEDDINGS + ISOLATES)).map("{}b".format)


def in_every_case(text: str) -> set[str]:
    return {text, text.upper(), text.lower(), text.title(), text.casefold(), text.swapcase()}


def beginning(text: str, letters: int = 3) -> str:
    """The shortest prefix of whole grapheme clusters with so many letters."""
    end = seen = 0
    for end in _ends(text):
        seen = sum(unicodedata.category(sign)[0] in "LN" for sign in text[:end])
        if seen >= letters:
            break
    return text[:end]


def _ends(text: str) -> Iterator[int]:
    """The positions at which a text can be cut without separating a mark or joiner from its letter."""
    for end in range(1, len(text) + 1):
        if end == len(text) or unicodedata.category(text[end]) not in {"Mn", "Mc", "Me", "Cf", "Sk"}:
            yield end
