"""Unknown keys of bodies and query strings: the messages about them, and which known key may be meant."""

import re
from collections.abc import Collection, Iterable
from difflib import get_close_matches
from functools import lru_cache

from django.utils.translation import gettext as _

MOST_LINES = 20  # lines about unknown keys; the last one counts the rest
LONGEST_SHOWN = 40  # characters of a key in a message
LONGEST_COMPARED = 64  # characters; a longer key is not near any known one
NEAR = 0.75  # ratio of difflib from which two names count as near: `minutes` and `minute` have 0.92

_SEPARATORS = re.compile(r"[\W_]+")


def shown(name: str) -> str:
    """`name`, which a client chose, for a message: cut, with unprintable characters escaped."""
    cut = name if len(name) <= LONGEST_SHOWN else name[:LONGEST_SHOWN] + "…"
    escaped = (one if one.isprintable() else one.encode("unicode_escape").decode("ascii") for one in cut)
    return "".join(escaped) or '""'


def nearest(name: str, known: frozenset[str]) -> str | None:
    """The known key that `name` is a misspelling of, without regard to case and separators; None without one."""
    folded = _folded(name)
    if len(name) > LONGEST_COMPARED or not folded:
        return None
    names = _folded_names(known)
    near = get_close_matches(folded, names, n=1, cutoff=NEAR)
    return names[near[0]] if near else None


def unknown_keys(sent: Iterable[str], *, known: frozenset[str], ignored: Collection[str]) -> list[str]:
    """The keys of `sent` that are neither known nor ignored. A key that is near a known one is never ignored."""
    return [name for name in sent if name not in known and (name not in ignored or nearest(name, known) is not None)]


def reasons_of_unknown(names: list[str], known: frozenset[str]) -> list[str]:
    """A line for each of the first keys, so that a body with 100,000 of them costs no more than one with 20."""
    if len(names) <= MOST_LINES:
        return [_reason(name, known) for name in names]
    listed = names[: MOST_LINES - 1]
    rest = _("and %(count)d more") % {"count": len(names) - len(listed)}
    return [*(_reason(name, known) for name in listed), rest]


def _reason(name: str, known: frozenset[str]) -> str:
    near = nearest(name, known)
    if near is None:
        return _("%(name)s: unknown") % {"name": shown(name)}
    return _("%(name)s: unknown; did you mean %(known)s?") % {"name": shown(name), "known": near}


def _folded(name: str) -> str:
    return _SEPARATORS.sub("", name[: LONGEST_COMPARED + 1]).casefold()


@lru_cache(maxsize=128)
def _folded_names(known: frozenset[str]) -> dict[str, str]:
    return {_folded(name): name for name in sorted(known)}
