"""Which of our languages a request asks for."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.utils.translation.trans_real import parse_accept_lang_header

LONGEST_KEPT = 64  # characters of a header whose meaning is remembered
LONGEST_READ = 512  # characters of an Accept-Language that are looked at
MOST_TAGS = 8  # of our languages, in one Accept-Language
LONGEST_TAG = 24  # characters, with its weight: tr-Latn-TR;q=0.875


def preferred_language(meta: Mapping[str, Any]) -> str:
    """`X-Language`, else the best of `Accept-Language`, as far as we speak them; else the language of the source."""
    chosen, accepted = meta.get("HTTP_X_LANGUAGE", ""), meta.get("HTTP_ACCEPT_LANGUAGE", "")
    if len(chosen) + len(accepted) <= LONGEST_KEPT:
        return _kept(chosen, accepted)
    return _best(chosen[: LONGEST_TAG + 1], accepted)


def understood(accepted: str) -> str:
    """The part of an Accept-Language that names languages of ours; short, however long the header is.

    Django remembers the headers that it parses. Of those that nobody understands it would keep megabytes.
    """
    spoken = {code for code, _ in settings.LANGUAGES}
    if len(accepted) > LONGEST_READ:
        accepted = accepted[:LONGEST_READ].rpartition(",")[0]
    tags = (tag.strip() for tag in accepted.lower().split(","))
    ours = [tag for tag in tags if len(tag) <= LONGEST_TAG and _primary(tag) in spoken]
    return ",".join(ours[:MOST_TAGS])


@lru_cache(maxsize=1024)
def _kept(chosen: str, accepted: str) -> str:
    return _best(chosen, accepted)


def _best(chosen: str, accepted: str) -> str:
    spoken = {code for code, _ in settings.LANGUAGES}
    tags = (tag for tag, _ in parse_accept_lang_header(understood(accepted)))
    for wanted in (chosen.strip().lower(), *tags):
        if _primary(wanted) in spoken:
            return _primary(wanted)
    return settings.LANGUAGE_CODE


def _primary(tag: str) -> str:
    return tag.partition(";")[0].partition("-")[0].strip()
