"""common/texts.py: the rules for texts that people write."""

import sys
import unicodedata
from typing import Any

import pytest
from django.utils import translation

from common.texts import Rule, broken_rule, fitted_line, folded, is_visible, isolated, normalized_line, normalized_lines

# Texts without a visible character.
NOTHING_TO_SEE = [
    "\u200b", "\u2060", "\u3164", "\u2800", "\u00ad", "\ufeff", "\u0301", "\u115f", "\u1160", "\uffa0", "\u17b4",
    "\u034f", "\u180e", "\ufe0f", "\u200d\u200d", "\u200e \u200f", "\u2061", "\U000e0041", "\U0001d159", "\u0903",
    "\u20dd", "\ufffc", "\u3164\u0301", "\u2066\u2069",
]  # fmt: skip
SEEN = [
    "a", "ş", "ş", "1", "!", "★", "👨‍👩‍👧‍👦", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "🇹🇷", "❤️", "1️⃣", "می‌خواهم", "विद्या", "क्‍ष", "สวัสดี", "が", "שָׁלוֹם",
    "مُحَمَّد", "\u200eabc\u200f", "\u2067שלום\u2069 abc", "ᠮᠣᠩᠭᠣᠯ", "´", "\U0001fae9",
]  # fmt: skip


def every_character() -> list[str]:
    return [chr(code) for code in range(sys.maxunicode + 1) if unicodedata.category(chr(code)) != "Cs"]


# --- the two rules --------------------------------------------------------------------------------


@pytest.mark.parametrize("text", NOTHING_TO_SEE, ids=ascii)
def test_a_text_needs_a_visible_character(text: str) -> None:
    assert broken_rule(normalized_line(text)) == (Rule.INVISIBLE, "")
    assert broken_rule(normalized_lines(text), many_lines=True) == (Rule.INVISIBLE, "")
    assert broken_rule(normalized_line(f"a{text}")) is None


@pytest.mark.parametrize("text", SEEN, ids=ascii)
def test_texts_of_all_scripts_and_emoji_with_joiners_are_accepted(text: str) -> None:
    assert broken_rule(normalized_line(text)) is None
    assert normalized_line(text) == unicodedata.normalize("NFC", text)


@pytest.mark.parametrize("sign", "\0\a\b\x1b\x7f\x80\x85\u2028\u2029\v\f\ufffe\ufdd0\U0001ffff\ud800", ids=ascii)
def test_no_text_has_control_characters(sign: str) -> None:
    name = f"U+{ord(sign):04X}"
    assert broken_rule(f"a{sign}b") == (Rule.CONTROL, name)
    assert broken_rule(f"a{sign}b", many_lines=True) == (Rule.LAYOUT, name)


@pytest.mark.parametrize("sign", "\n\t")
def test_line_breaks_and_tabs_are_only_accepted_in_texts_of_many_lines(sign: str) -> None:
    assert broken_rule(f"a{sign}b") == (Rule.CONTROL, f"U+{ord(sign):04X}")
    assert broken_rule(f"a{sign}b", many_lines=True) is None


def test_line_breaks_of_all_systems_become_lf() -> None:
    assert normalized_lines(" a\r\nb\rc\nd\r\n\r\n") == "a\nb\nc\nd"


@pytest.mark.parametrize("sign", "\u202a\u202b\u202c\u202d\u202e", ids=ascii)
def test_no_text_has_embeddings_or_overrides(sign: str) -> None:
    assert broken_rule(f"a{sign}b") == (Rule.EMBEDDING, f"U+{ord(sign):04X}")
    assert broken_rule(f"a{sign}b", many_lines=True) == (Rule.EMBEDDING, f"U+{ord(sign):04X}")


@pytest.mark.parametrize(
    ("text", "is_closed"),
    [
        ("\u2066a\u2069", True),
        ("\u2067a\u2068b\u2069\u2069", True),
        ("\u2066a", False),
        ("a\u2069", False),
        ("\u2069a\u2066", False),
        ("\u2066a\n\u2069b", False),
    ],
    ids=ascii,
)
def test_isolates_are_closed_in_their_line(text: str, is_closed: bool) -> None:
    assert broken_rule(text, many_lines=True) == (None if is_closed else (Rule.ISOLATE, ""))


def test_visibility_follows_from_the_category_of_a_character() -> None:
    of_kinds = dict.fromkeys(("L", "M", "N", "P", "S", "Z", "C"), 0)
    for sign in every_character():
        of_kinds[unicodedata.category(sign)[0]] += is_visible(sign)
    assert of_kinds["M"] == of_kinds["Z"] == 0
    assert min(of_kinds["L"], of_kinds["N"], of_kinds["P"], of_kinds["S"]) > 500
    # Unassigned code points, which newer versions of Unicode may assign.
    assert of_kinds["C"] > 500_000
    assert not any(is_visible(sign) for sign in "\u200b\u200d\x1b\ue000\ufdd0\U000e0fff\u2065")


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("Ay\u0327se\nY\x1bilmaz", "Ayşe Y ilmaz".replace("Ayşe", unicodedata.normalize("NFC", "Ay\u0327se"))),
        ("\u202eAda", "Ada"),
        ("Ada\u2069 \u2066Lovelace", "Ada Lovelace"),
        ("\u200b\u3164", ""),
        (" \t ", ""),
        ("x" * 200, "x" * 150),
    ],
    ids=ascii,
)
def test_a_text_of_another_system_is_made_a_valid_line(sent: str, kept: str) -> None:
    assert fitted_line(sent, longest=150) == kept


# --- inside a sentence ----------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["Işık ve Gölge", "ΚΟΣΜΟΣ 2", "日本語", "👨‍👩‍👧", "100% (a, b)"])
def test_left_to_right_text_is_not_isolated(text: str) -> None:
    assert isolated(text) == text


@pytest.mark.parametrize("text", ["שלום", "abc سلام", "٣", "a\u200f", "\u2067a\u2069"], ids=ascii)
def test_text_that_may_change_the_direction_of_a_sentence_is_isolated(text: str) -> None:
    assert isolated(text) == f"\u2068{text}\u2069"


@pytest.mark.parametrize("text", ["a\u2069\u202eb", "\u2067\u202eab", "\u202bab"], ids=ascii)
def test_text_from_before_the_rules_cannot_close_its_isolate(text: str) -> None:
    inside = isolated(text)
    assert (inside[0], inside[-1]) == ("\u2068", "\u2069")
    assert broken_rule(inside) in (None, (Rule.EMBEDDING, "U+202B"))


def test_in_a_right_to_left_sentence_all_text_is_isolated() -> None:
    with translation.override("he"):
        assert isolated("abc") == "\u2068abc\u2069"


# --- folding --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("part", "text"),
    [
        ("ΚΟΣ", "ΚΟΣΜΟΣ"), ("κος", "ΚΟΣΜΟΣ"), ("κοσμοσ", "Κόσμος"), ("STRASSE", "Straße"), ("straße", "STRASSE"),
        ("ozturk", "Öztürk"), ("ISIK", "ışık"), ("isik", "IŞIK"), ("ışık", "Isik"), ("istanbul", "İSTANBUL"),
        ("lodz", "Łódź"), ("елка", "Ёлка"), ("ぎ", "かぎ"), ("ｶﾞ", "ガ"), ("ABC", "ａｂｃ"), ("محمد", "مُحَمَّد"),
        ("שלום", "שָׁלוֹם"), ("विद्या", "विद्यालय"), ("می خواهم", "می خواهم"), ("میخواهم", "می‌خواهم"), ("ﬁ", "FI"),
    ],
)  # fmt: skip
def test_folding_finds_texts_in_other_spellings(part: str, text: str) -> None:
    assert folded(part) in folded(text)


@pytest.mark.parametrize(("one", "other"), [("विद्या", "वदय"), ("かぎ", "かき゚"), ("สี", "สา"), ("a", "b")])
def test_letters_that_differ_only_in_marks_stay_different(one: str, other: str) -> None:
    assert folded(other) not in folded(one)


@pytest.mark.slow
def test_each_character_folds_to_the_same_in_every_case_and_normal_form() -> None:
    apart: dict[str, Any] = {}
    for sign in every_character():
        forms = {sign.upper(), sign.lower(), sign.title(), sign.casefold(), sign.swapcase()}
        forms |= {unicodedata.normalize("NFC", sign), unicodedata.normalize("NFD", sign)}
        if different := {form for form in forms if folded(form) != folded(sign)}:
            apart[sign] = different
    assert apart == {}


@pytest.mark.slow
def test_no_visible_character_folds_to_nothing() -> None:
    assert [sign for sign in every_character() if is_visible(sign) and not folded(sign)] == []
