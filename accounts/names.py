"""Usernames: which ones are allowed, when two are the same, and which ones look alike.

docs/decisions/0017-names.md has the rules and their reasons.
"""

import re
from collections.abc import Iterable
from functools import cache
from importlib import import_module
from unicodedata import category, normalize

from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _
from precis_i18n import get_profile

from common.fields import OBJECT_ID
from common.refusals import Text

LONGEST = 150  # characters of a username
LONGEST_KEY = 3 * LONGEST  # folding makes at most three characters of one
SIGNS = ".@+-_"
JOINERS = "\u200c\u200d"  # PRECIS allows them inside words of scripts that need them

# RFC 8265, section 3.4: letters, digits and marks of all scripts, and the bidi rule.
_PROFILE = get_profile("UsernameCasePreserved")
_OTHER_SIGN = re.compile(rf"[\0-\x7f](?<![A-Za-z0-9{re.escape(SIGNS)}])")
_LETTERS_MARKS_DIGITS = frozenset(["Ll", "Lu", "Lo", "Lm", "Mn", "Mc", "Nd"])


class Rule:
    """Why a username is refused. The text follows the active language when it is shown."""

    CHARACTERS = _("may have letters, digits and the signs . @ + - _ only")
    DIRECTION = _("must not mix right-to-left letters with letters or signs of the other direction")
    MARK = _("must not begin with a combining mark")
    ID = _("must not be 24 hexadecimal characters: that is how ids look")
    LOOK_ALIKE = _("looks like the name of a member of staff")


def stored(username: str) -> str:
    """The form in which a username is stored: NFKC, which makes ASCII of full-width letters."""
    return normalize("NFKC", username)


def normalized(username: str) -> str:
    """The key of a username: two usernames are the same exactly when their keys are equal.

    NFKC and Unicode case folding. A dot above an i is dropped, because `İREM` folds to `i̇rem`, which is displayed
    like `irem`; the dotless `ırem` stays another name.
    """
    folded = stored(username).casefold().replace("i\u0307", "i")
    return normalize("NFKC", folded)


def id_in(text: str) -> str | None:
    """The id that `text` is, in any case and width of its characters, else None. Such a text is never a username."""
    key = normalized(text)
    return key if OBJECT_ID.fullmatch(key) else None


def validate(username: str) -> None:
    """Raises ValidationError when the username, in its stored form, is not allowed."""
    if rule := _broken_rule(username):
        raise ValidationError(rule)


def _broken_rule(username: str) -> Text | None:
    if _OTHER_SIGN.search(username):
        return Rule.CHARACTERS
    if not username.isascii():
        if category(username[0]).startswith("M"):
            return Rule.MARK
        try:
            _PROFILE.enforce(username)
        except UnicodeEncodeError as error:
            return Rule.DIRECTION if "bidi" in error.reason else Rule.CHARACTERS
    return Rule.ID if id_in(username) else None


def usable_part(text: str) -> str:
    """A valid username made of the allowed characters of `text`; "" when there is none."""
    kept = "".join(character for character in stored(text) if _is_allowed(character))
    without_joiners = kept.translate(dict.fromkeys(map(ord, JOINERS)))
    for candidate in (kept, without_joiners, without_joiners.strip(SIGNS)):
        # Removed characters may have kept a letter and a mark apart, which now compose.
        name = _beginning(stored(candidate))
        if name and _broken_rule(name) is None:
            return name
    return ""


def _is_allowed(character: str) -> bool:
    if character.isascii():
        return character.isalnum() or character in SIGNS
    return category(character) in _LETTERS_MARKS_DIGITS or character in JOINERS


def _beginning(name: str) -> str:
    """`name` without leading marks and joiners, cut to the length that is allowed."""
    while name and (category(name[0]).startswith("M") or name[0] in JOINERS):
        name = name[1:]
    return name[:LONGEST].rstrip(JOINERS)


# --- names that look alike ------------------------------------------------------------------------


class LookAlikes:
    """Finds which of a set of names look like another name."""

    def __init__(self, names: Iterable[str]) -> None:
        self._key_of = {name: normalized(name) for name in names}
        self._seen_as: dict[str, list[str]] = {}
        for name, key in self._key_of.items():
            # In upper case too: a small letter l looks like the capital I of the real name.
            for skeleton in _skeletons(name) | {_skeleton(key.upper())}:
                self._seen_as.setdefault(skeleton, []).append(name)

    def of(self, username: str) -> list[str]:
        """The names that are other names than `username` and look like it."""
        found = {name for skeleton in _skeletons(username) for name in self._seen_as.get(skeleton, ())}
        key = normalized(username) if found else ""
        return sorted(name for name in found if self._key_of[name] != key)


def _skeletons(username: str) -> set[str]:
    return {_skeleton(stored(username)), _skeleton(normalized(username))}


def _skeleton(text: str) -> str:
    """UTS 39, section 4: texts with equal skeletons look alike."""
    return normalize("NFD", normalize("NFD", text).translate(_prototypes()))


@cache
def _prototypes() -> dict[int, str]:
    """For each character with look-alikes, the text that stands for all of them.

    The library's table lists the look-alikes of each text in both directions. In UTS 39 each character points to one
    prototype, so an entry with several look-alikes is a prototype; of two that only have each other, one is chosen.
    """
    # Imported on first use: the table takes some megabytes, and most processes never create a user.
    table = import_module("confusable_homoglyphs.confusables").confusables_data
    marks = str.maketrans("", "", "\u200e")  # the table puts them around right-to-left characters
    alike: dict[str, set[str]] = {}
    for text, entries in table.items():
        alike.setdefault(text.translate(marks), set()).update(entry["c"].translate(marks) for entry in entries)
    chosen = {}
    for text, others in alike.items():
        if len(text) > 1 or len(others) > 1:
            continue
        (other,) = others
        if len(alike[other]) > 1 or len(other) > 1 or other < text:
            chosen[ord(text)] = other
    return chosen
